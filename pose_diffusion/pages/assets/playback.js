// A clock over frames: plays, pauses and steps, and calls `show(frame)` for each frame to draw.

class Playback {
  /** changed(playing) is called when playing starts or stops. */
  constructor(show, changed) {
    this.show = show;
    this.changed = changed;
    this.count = 1;
    this.rate = 25; // frames a second
    this.frame = 0;
    this.playing = false;
    this.follow = null; // where set, a function: the frame of another clock, such as a video's, or null
  }

  load(count) {
    this.count = count;
    this.go(0);
  }

  go(frame) {
    this.frame = Math.max(0, Math.min(this.count - 1, frame));
    this.show(this.frame);
  }

  step(frames) {
    this.play(false);
    this.go(this.frame + frames);
  }

  play(on) {
    cancelAnimationFrame(this.request);
    this.playing = on;
    this.changed(on);
    if (!on) return;
    let last = null;
    const tick = (now) => {
      if (!this.playing) return;
      const wait = 1000 / this.rate;
      last ??= now;
      const other = this.follow && this.follow();
      if (typeof other === "number") {
        last = now;
        if (other !== this.frame) this.go(other);
      } else if (now - last >= wait) {
        const frames = Math.floor((now - last) / wait);
        last += frames * wait;
        this.go((this.frame + frames) % this.count);
      }
      this.request = requestAnimationFrame(tick);
    };
    this.request = requestAnimationFrame(tick);
  }
}
