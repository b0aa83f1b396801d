r"""The docstrings' equations as text for a terminal: ``\sqrt{r_t} + ε`` becomes √rₜ + ε."""

import inspect
import re
import unicodedata

_TOKEN = re.compile(r"\\r[vV]ert|\\[a-zA-Z]+\s*|\\.|\s+|.", re.DOTALL)
_SUBSCRIPTS = dict(
    zip(
        "0123456789+-=()aehijklmnoprstuvxβγρφχ",
        "₀₁₂₃₄₅₆₇₈₉₊₋₌₍₎ₐₑₕᵢⱼₖₗₘₙₒₚᵣₛₜᵤᵥₓᵦᵧᵨᵩᵪ",
        strict=True,
    )
)
_SUPERSCRIPTS = dict(
    zip(
        "0123456789+-=()abcdefghijklmnoprstuvwxyzTβγδ⊤*",
        "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁼⁽⁾ᵃᵇᶜᵈᵉᶠᵍʰⁱʲᵏˡᵐⁿᵒᵖʳˢᵗᵘᵛʷˣʸᶻᵀᵝᵞᵟᵀ*",
        strict=True,
    )
)
_ACCENTS = {"hat": "\u0302", "bar": "\u0304", "tilde": "\u0303", "dot": "\u0307"}
_STYLES = {"operatorname", "text", "textrm", "texttt"} | {
    f"math{style}" for style in ("rm", "bb", "bf", "cal", "it", "sf", "tt")
}
_NOTHING = {"left", "right", "big", "Big", "bigl", "bigr", "displaystyle", "limits", "!"}
_SPACES = {"quad": "  ", "qquad": "  ", ",": " ", ";": " ", ":": " ", "": " ", "\\": "; "}
_FRACTIONS = {("1", "2"): "½", ("1", "3"): "⅓", ("2", "3"): "⅔", ("1", "4"): "¼", ("3", "4"): "¾"}
_BETWEEN = {
    **{"odot": "⊙", "cdot": "·", "times": "×", "circ": "∘", "le": "≤", "leq": "≤", "ge": "≥"},
    **{"geq": "≥", "ne": "≠", "neq": "≠", "approx": "≈", "ll": "≪", "gg": "≫", "in": "∈"},
    **{"sim": "~", "leftarrow": "←", "gets": "←", "to": "→", "rightarrow": "→", "mapsto": "↦"},
    **{"mid": "|", "propto": "∝"},
}
_ROOTS = {"": "√", "3": "∛", "4": "∜"}
_SYMBOLS = {
    **{"sum": "Σ", "prod": "Π", "pm": "±", "infty": "∞", "nabla": "∇", "partial": "∂", "top": "⊤"},
    **{"lVert": "‖", "rVert": "‖", "Vert": "‖", "|": "‖", "lvert": "|", "rvert": "|", "ell": "ℓ"},
    **{"lfloor": "⌊", "rfloor": "⌋", "lceil": "⌈", "rceil": "⌉", "langle": "⟨", "rangle": "⟩"},
    **{"ldots": "…", "dots": "…", "cdots": "…"},
    **{"alpha": "α", "beta": "β", "gamma": "γ", "delta": "δ", "epsilon": "ε", "eta": "η"},
    **{"theta": "θ", "lambda": "λ", "mu": "μ", "nu": "ν", "rho": "ρ", "sigma": "σ", "tau": "τ"},
    **{"phi": "φ", "pi": "π", "Delta": "Δ", "Sigma": "Σ"},
}


def equation(docstring: str | None) -> str:
    r"""The ``.. math::`` of a docstring as one line of text; empty without one.

    >>> equation(r".. math:: u = \frac{m_t}{\sqrt{r_t} + ε}")
    'u = mₜ/(√rₜ + ε)'
    """
    block = r"^\.\. math::\s*(.+(?:\n +\S.*)*)"
    found = re.findall(block, inspect.cleandoc(docstring or ""), re.MULTILINE)
    return ", ".join(map(as_text, found))


def as_text(latex: str) -> str:
    r"""LaTeX mathematics as Unicode text.

    >>> as_text(r"β_1 m_{t-1} + (1-β_1)\, g_t^2")
    'β₁ mₜ₋₁ + (1-β₁) gₜ²'
    """
    text = _Reader(latex).until(None)
    text = re.sub(r"\s+([,.;)])", r"\1", re.sub(r"([(])\s+", r"\1", text))
    text = re.sub(r"‖\s*([^‖]*?)\s*‖", r"‖\1‖", text)
    return unicodedata.normalize("NFC", re.sub(r"\s+", " ", text).strip())


class _Reader:
    """Reads tokens from the left; an argument is a group in braces or one token."""

    def __init__(self, latex: str) -> None:
        self.tokens = [re.sub(r"\s+$", "", t) or " " for t in _TOKEN.findall(latex)]
        self.next = 0

    def until(self, end: str | None) -> str:
        out = ""
        while self.next < len(self.tokens):
            token = self._take()
            if token == end:
                break
            piece = self._piece(token)
            if token[1:].isalpha() and len(piece) > 1:  # LaTeX's own space around a function
                before = " " if out[-1:].isalnum() and piece[0].isalpha() else ""
                after = " " if piece[-1].isalpha() and self._word_next() else ""
                piece = before + piece + after
            out += piece
        return out

    def _take(self) -> str:
        self.next += 1
        return self.tokens[self.next - 1]

    def _word_next(self) -> bool:
        following = self.tokens[self.next] if self.next < len(self.tokens) else " "
        if following.startswith("\\"):
            return following[1:].isalpha() and following[1:] not in _NOTHING | _SPACES.keys()
        return following not in " ()[],_^{}"

    def _argument(self) -> str:
        while self.next < len(self.tokens) and self.tokens[self.next] == " ":
            self.next += 1
        return self._piece(self._take()) if self.next < len(self.tokens) else ""

    def _piece(self, token: str) -> str:
        if token == "{":
            return self.until("}")
        if token in ("_", "^"):
            return _script(token, self._argument().strip())
        if token == "&":
            return " "
        return self._command(token[1:]) if token.startswith("\\") else token

    def _command(self, name: str) -> str:
        if name in ("frac", "tfrac", "dfrac"):
            above, below = self._argument(), self._argument()
            return _FRACTIONS.get((above, below)) or f"{_bracketed(above)}/{_bracketed(below)}"
        if name == "sqrt":
            degree = ""
            if self.tokens[self.next : self.next + 1] == ["["]:
                self._take()
                degree = self.until("]")
            return _ROOTS.get(degree, f"{degree}√") + _bracketed(self._argument())
        if name in _ACCENTS:
            inside = self._argument()
            return inside[:1] + _ACCENTS[name] + inside[1:]
        if name in ("overline", "mean"):
            return f"⟨{self._argument()}⟩"
        if name in ("begin", "end"):
            self._argument()
            return "{ " if name == "begin" else " }"
        if name in _STYLES:
            return self._argument()
        if name in _NOTHING:
            return ""
        if name in _BETWEEN:
            return f" {_BETWEEN[name]} "
        return _SPACES.get(name) or _SYMBOLS.get(name) or name


def _script(kind: str, text: str) -> str:
    table = _SUBSCRIPTS if kind == "_" else _SUPERSCRIPTS
    if text and all(c in table for c in text):
        return "".join(table[c] for c in text)
    return f"{kind}{text}" if len(text) == 1 else f"{kind}({text})"


def _bracketed(text: str) -> str:
    """In brackets, unless one factor: a name with its scripts, or one call."""
    text = text.strip()
    return text if re.fullmatch(r"√?\w*[^\s+\-/·]*|\w*\([^()]*\)|‖[^‖]*‖", text) else f"({text})"
