"""What a reader does with the page, and sees."""

from __future__ import annotations

from browser import Page


def pixels(canvas: str) -> str:
    """The pixels of a canvas as a number."""
    return f"""(canvas => canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data
        .reduce((sum, value, i) => (sum * 31 + value) % 1000003, 7))(document.querySelector('{canvas}'))"""


def until(page: Page, condition: str) -> None:
    """Waits for a JavaScript condition."""
    page.evaluate(f"new Promise((done) => {{ const wait = () => ({condition} ? done() : setTimeout(wait, 10)); wait(); }})")


def press(page: Page, key: str, shift: bool = False) -> None:
    options = f"{{key: {key!r}, shiftKey: {str(shift).lower()}, bubbles: true}}"
    page.evaluate(f"document.body.dispatchEvent(new KeyboardEvent('keydown', {options}))")


def wheel(page: Page, turns: float) -> None:
    options = f"{{deltaY: {turns}, clientX: 900, clientY: 300, cancelable: true}}"
    page.evaluate(f"document.querySelector('#view-3d').dispatchEvent(new WheelEvent('wheel', {options}))")
