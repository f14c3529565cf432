"""The syntax tree of a script (POSIX shell grammar, with ``[[ … ]]``, ``(( … ))``, ``<<<`` and ``&>`` of bash)."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = [
    "AndOr",
    "Arithmetic",
    "ArithmeticCommand",
    "ArithmeticFor",
    "Assignment",
    "Branch",
    "Case",
    "Command",
    "Compound",
    "Condition",
    "For",
    "Function",
    "Group",
    "If",
    "Item",
    "Loop",
    "Parameter",
    "Part",
    "Pipeline",
    "Redirect",
    "Script",
    "Simple",
    "Structure",
    "Subshell",
    "Substitution",
    "Text",
    "Word",
]


@dataclass(frozen=True, slots=True)
class Text:
    """Literal characters. Quoted text is neither split nor a pattern."""

    text: str
    quoted: bool = False


@dataclass(frozen=True, slots=True)
class Parameter:
    """``$name`` or ``${name<operator>operand}``; ``operator`` is "" or one of ``# - :- = := ? :? + :+ % %% # ## / // :
    ^ , @``;
    the length form ``${#name}`` has operator ``length``, ``${name[…]}`` has ``array``, what is none of these ``bad``
    (``name`` is then the whole text between the braces). ``indirect``: ``${!name}``."""

    name: str
    operator: str = ""
    operand: Word | None = None
    quoted: bool = False
    indirect: bool = False


@dataclass(frozen=True, slots=True)
class Substitution:
    """``$(…)`` or backticks."""

    script: Script
    quoted: bool = False


@dataclass(frozen=True, slots=True)
class Arithmetic:
    """``$((…))``; the expression is expanded as if quoted before it is computed."""

    expression: Word
    quoted: bool = False


Part = Text | Parameter | Substitution | Arithmetic


@dataclass(frozen=True, slots=True)
class Word:
    """Parts that form one word. No parts: the empty word (only in operands)."""

    parts: tuple[Part, ...]

    def literal(self) -> str | None:
        """The text if nothing in it is quoted or expanded; None otherwise."""
        if all(isinstance(part, Text) and not part.quoted for part in self.parts):
            return "".join(part.text for part in self.parts if isinstance(part, Text))
        return None


@dataclass(frozen=True, slots=True)
class Redirect:
    """``descriptor`` ``operator`` ``target``. Operators: ``< > >> <> >| <& >& << <<- <<< &> &>>``. Here-documents
    carry their body in ``target``."""

    descriptor: int
    operator: str
    target: Word


@dataclass(frozen=True, slots=True)
class Assignment:
    """``name=value``, or bash's ``name+=value``."""

    name: str
    value: Word
    append: bool = False


@dataclass(frozen=True, slots=True)
class Simple:
    """``name=value … word … redirection …``."""

    assignments: tuple[Assignment, ...]
    words: tuple[Word, ...]
    redirects: tuple[Redirect, ...]


@dataclass(frozen=True, slots=True)
class Pipeline:
    """``[!] command | command``; ``timed`` for the ``time`` keyword."""

    commands: tuple[Command, ...]
    negated: bool = False
    timed: bool = False


@dataclass(frozen=True, slots=True)
class AndOr:
    """Pipelines joined by ``&&`` and ``||``; the first joint is "" ."""

    parts: tuple[tuple[str, Pipeline], ...]


@dataclass(frozen=True, slots=True)
class Item:
    """One element of a list; ``background`` when ``&`` follows it."""

    command: AndOr
    background: bool = False


@dataclass(frozen=True, slots=True)
class Script:
    """A list of commands."""

    items: tuple[Item, ...]


@dataclass(frozen=True, slots=True)
class If:
    """``if/elif`` branches and ``else``."""

    branches: tuple[tuple[Script, Script], ...]
    otherwise: Script | None


@dataclass(frozen=True, slots=True)
class Loop:
    """``while``, or ``until``."""

    condition: Script
    body: Script
    until: bool = False


@dataclass(frozen=True, slots=True)
class For:
    """``for name in words``; ``words`` None means the positional parameters."""

    name: str
    words: tuple[Word, ...] | None
    body: Script


@dataclass(frozen=True, slots=True)
class ArithmeticFor:
    """bash's ``for ((start; condition; step))``."""

    start: Word
    condition: Word
    step: Word
    body: Script


@dataclass(frozen=True, slots=True)
class Branch:
    """Of ``case``. ``end``: ``;;``, or bash's ``;&`` (the next script, too) and ``;;&`` (the next patterns, too)."""

    patterns: tuple[Word, ...]
    script: Script
    end: str = ";;"


@dataclass(frozen=True, slots=True)
class Case:
    """``case word in pattern|pattern) script ;; … esac``."""

    word: Word
    branches: tuple[Branch, ...]


@dataclass(frozen=True, slots=True)
class Group:
    """``{ … }``."""

    body: Script


@dataclass(frozen=True, slots=True)
class Subshell:
    """``( … )``."""

    body: Script


@dataclass(frozen=True, slots=True)
class Condition:
    """bash's ``[[ … ]]``: the words between, unsplit."""

    words: tuple[Word, ...]


@dataclass(frozen=True, slots=True)
class ArithmeticCommand:
    """bash's ``(( … ))``."""

    expression: Word


Structure = If | Loop | For | ArithmeticFor | Case | Group | Subshell | Condition | ArithmeticCommand


@dataclass(frozen=True, slots=True)
class Compound:
    """A compound command with its redirections."""

    body: Structure
    redirects: tuple[Redirect, ...] = ()


@dataclass(frozen=True, slots=True)
class Function:
    """``name() compound``."""

    name: str
    body: Compound


Command = Simple | Compound | Function
