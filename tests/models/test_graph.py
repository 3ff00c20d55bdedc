import numpy as np
import pytest
import torch

from pose_diffusion import skeleton
from pose_diffusion.models.graph import ChebyshevConv, GraphConv, LearnableGraph, chebyshev_terms

ADJACENCY = skeleton.adjacency()


def test_chebyshev_terms_are_the_polynomials_of_the_laplacian_on_its_spectrum() -> None:
    identity, laplacian, second = chebyshev_terms(ADJACENCY).double()
    torch.testing.assert_close(identity, torch.eye(17, dtype=torch.float64))
    values, vectors = np.linalg.eig(laplacian.numpy())
    polynomial = vectors @ np.diag(2 * values**2 - 1) @ np.linalg.inv(vectors)
    np.testing.assert_allclose(second.numpy(), polynomial, atol=1e-5)


@pytest.mark.parametrize(("in_channels", "out_channels"), [(2, 8), (8, 8), (8, 3)])
def test_chebyshev_convolution_is_the_sum_over_its_terms(in_channels: int, out_channels: int) -> None:
    conv = ChebyshevConv(in_channels, out_channels, ADJACENCY)
    torch.nn.init.normal_(conv.bias)
    x = torch.randn(5, 17, in_channels)
    terms = chebyshev_terms(ADJACENCY)
    separately = sum(term @ x @ conv.weight[:, k] for k, term in enumerate(terms)) + conv.bias
    torch.testing.assert_close(conv(x), separately, rtol=1e-5, atol=1e-5)


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
