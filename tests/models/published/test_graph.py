import numpy as np
import pytest
import torch

from pose_diffusion.geometry import skeleton
from pose_diffusion.models.published.graph import ChebyshevConv, GraphConv, LearnableGraph, chebyshev_terms, laplacian, spectrum

ADJACENCY = skeleton.adjacency()


def test_chebyshev_terms_are_the_polynomials_of_the_laplacian_on_its_spectrum() -> None:
    identity, laplacian, second = chebyshev_terms(ADJACENCY).double()
    torch.testing.assert_close(identity, torch.eye(17, dtype=torch.float64))
    values, vectors = np.linalg.eig(laplacian.numpy())
    polynomial = vectors @ np.diag(2 * values**2 - 1) @ np.linalg.inv(vectors)
    np.testing.assert_allclose(second.numpy(), polynomial, atol=1e-5)


@pytest.mark.parametrize("adjacency", [ADJACENCY, skeleton.cross_channel_adjacency()], ids=["one body", "both channels"])
def test_a_spectrum_puts_the_laplacian_and_its_polynomials_together_again(adjacency: np.ndarray) -> None:
    forward, inverse, responses = (part.double() for part in spectrum(adjacency))
    for term, response in zip(chebyshev_terms(adjacency).double(), responses.T, strict=True):
        torch.testing.assert_close(inverse @ response.diag() @ forward, term, rtol=0, atol=1e-6)
    torch.testing.assert_close(inverse @ responses[:, 1].diag() @ forward, laplacian(adjacency), rtol=0, atol=1e-6)


@pytest.mark.parametrize(("in_channels", "out_channels"), [(2, 8), (8, 8), (8, 3)])
def test_chebyshev_convolution_is_the_sum_over_its_terms(in_channels: int, out_channels: int) -> None:
    conv = ChebyshevConv(in_channels, out_channels, ADJACENCY)
    torch.nn.init.normal_(conv.bias)
    x = torch.randn(5, 17, in_channels)
    terms = chebyshev_terms(ADJACENCY)
    separately = sum(term @ x @ conv.weight[:, k] for k, term in enumerate(terms)) + conv.bias
    torch.testing.assert_close(conv(x), separately, rtol=1e-5, atol=1e-5)


def test_a_convolution_in_bf16_gives_nearly_that_of_float32() -> None:
    conv = ChebyshevConv(8, 8, ADJACENCY)
    x = torch.randn(5, 17, 8)
    with torch.autocast("cpu", torch.bfloat16):
        rough = conv(x)
    torch.testing.assert_close(rough.float(), conv(x), rtol=0.02, atol=0.05)


def test_a_convolutions_gradients_are_those_of_the_sum_over_its_terms() -> None:
    conv = ChebyshevConv(8, 8, ADJACENCY)
    x = torch.randn(5, 17, 8, requires_grad=True)
    terms, upstream = chebyshev_terms(ADJACENCY), torch.randn(5, 17, 8)
    separately = sum(term @ x @ conv.weight[:, k] for k, term in enumerate(terms)) + conv.bias
    inputs = [x, conv.weight, conv.bias]
    expected = torch.autograd.grad(separately, inputs, upstream)
    torch.testing.assert_close(torch.autograd.grad(conv(x), inputs, upstream), expected, rtol=1e-5, atol=1e-5)


def test_learnable_graph_normalises_by_column_sums_and_does_not_symmetrise() -> None:
    graph = LearnableGraph(17, 4)
    with torch.no_grad():
        graph.adjacency.uniform_(0, 1)
    scale = torch.diag((graph.adjacency.sum(0) + 1e-5) ** -0.5)
    normalised = scale @ graph.adjacency @ scale
    x = torch.randn(3, 17, 4)
    plain = graph.narrow(normalised @ torch.relu(graph.widen(normalised @ x)))
    torch.testing.assert_close(graph(x), plain, rtol=1e-5, atol=1e-5)


def test_a_relu_after_the_convolutions_dropout_would_change_nothing() -> None:
    conv = GraphConv(8, ADJACENCY).train()
    y = conv(torch.randn(5, 17, 8))
    assert torch.equal(y, y.relu())
