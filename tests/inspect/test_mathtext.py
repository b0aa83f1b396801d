import pytest

from regopt_jax.inspect.mathtext import as_text, equation


@pytest.mark.parametrize(
    ("latex", "text"),
    [
        (r"x_1^{t-1}", "x₁ᵗ⁻¹"),
        (r"η_{max}", "ηₘₐₓ"),
        (r"Q_L g_{t,i}", "Q_L g_(t,i)"),
        (r"ab^{1/2}", "ab^(1/2)"),
        (r"0.96^{tψ}", "0.96^(tψ)"),
        (r"x_{ab} y_{μ}", "x_(ab) y_μ"),
        (r"\frac{a+b}{\sqrt{c}}", "(a+b)/√c"),
        (r"\sqrt{r_t + ε}", "√(rₜ + ε)"),
        (r"\sqrt x", "√x"),
        (r"\sqrt[3]{v_t} + \sqrt[n]{2}", "∛vₜ + n√2"),
        (r"1 / (\lVert g \rVert + ε) - L^*", "1 / (‖g‖ + ε) - L*"),
        (r"\frac tw", "t/w"),
        (r"\tfrac12 λ\lVert w \rVert^2", "½ λ‖w‖²"),
        (r"\tfrac{π}{2}", "π/2"),
        (r"\hat m_t\,\bar g", "m̂ₜ ḡ"),
        (r"\overline{G^2}", "⟨G²⟩"),
        (r"α\max\left(0, \cos πx\right)", "α max(0, cos πx)"),
        (r"\operatorname{sign}(g)", "sign(g)"),
        (r"a \odot b \in \mathbb{R}", "a ⊙ b ∈ R"),
        (r"\sum_{i=1}^k g_i", "Σᵢ₌₁ᵏ gᵢ"),
        (r"x, \qquad y \text{ else } 0", "x, y else 0"),
        (r"\begin{cases} a & x > 0 \\ b & x ≤ 0 \end{cases}", "{ a x > 0; b x ≤ 0 }"),
        (r"\texttt{scale\_by\_soap}", "scale_by_soap"),
        (r"\unknown{x}", "unknownx"),
        (r"W^\top", "Wᵀ"),
        ("", ""),
    ],
)
def test_as_text(latex, text):
    assert as_text(latex) == text


def test_equation_takes_all_with_all_their_lines():
    docstring = r"""Title.

    .. math:: a = b, \quad
       c = d

    .. math:: e = f

    Args:
      x: not it.
    """
    assert equation(docstring) == "a = b, c = d, e = f"
    assert equation("Title.\n\n.. math::\n\n   g = h\n\nMore.") == "g = h"
    assert equation("Title only.") == equation(None) == ""
