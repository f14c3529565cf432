"""Properties of the shell: parsing fails in one way only, quoting is undone, numbers are C's, a real shell agrees."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lab_helpers.twin.containers.formatting import printf
from lab_helpers.twin.containers.shell.arithmetic import evaluate
from lab_helpers.twin.containers.shell.errors import ExpansionProblem, SyntaxProblem
from lab_helpers.twin.containers.shell.parsing import parse
from lab_helpers.twin.containers.shell.patterns import escape, matches

FRAGMENTS = st.lists(
    st.sampled_from(
        [
            "if",
            "then",
            "fi",
            "else",
            "for",
            "in",
            "do",
            "done",
            "while",
            "case",
            "esac",
            "{",
            "}",
            "(",
            ")",
            ";",
            "&&",
            "||",
            "|",
            "&",
            "\n",
            " ",
            "echo",
            "x=1",
            "$x",
            "${x:-y}",
            "$(echo a)",
            "`b`",
            "$((1+2))",
            "'q'",
            '"d"',
            "<<EOF\n",
            "EOF\n",
            ">f",
            "2>&1",
            "#c",
            "\\",
            "'",
            '"',
            "$(",
            "${",
            "$((",
            "[[",
            "]]",
            "((",
            "))",
            "!",
            ";;",
            "a()",
            "*",
            "<<<",
        ]
    ),
    max_size=25,
)


@given(st.one_of(FRAGMENTS.map("".join), FRAGMENTS.map(" ".join), st.text(max_size=60)))
@settings(max_examples=400, deadline=None)
def test_parsing_ends_with_a_script_or_a_syntax_problem(text):
    with contextlib.suppress(SyntaxProblem):
        parse(text)


EXPRESSIONS = st.recursive(
    st.integers(0, 1000).map(str),
    lambda inner: st.tuples(
        inner, st.sampled_from(["+", "-", "*", "&", "|", "^", "<", ">", "==", "!=", "<=", ">="]), inner
    ).map(lambda t: f"({t[0]} {t[1]} {t[2]})"),
    max_leaves=8,
)


@given(EXPRESSIONS)
def test_arithmetic_agrees_with_python(text):
    expected = int(eval(text))
    assert evaluate(text, lambda _: "", lambda *_: None) == (expected + 2**63) % 2**64 - 2**63


@given(st.text("0123456789+-*/%()<>=!&|^~?: abx", max_size=30))
def test_arithmetic_fails_only_in_its_own_way(text):
    with contextlib.suppress(ExpansionProblem):
        evaluate(text, lambda _: "1", lambda *_: None)


@given(st.text(max_size=30))
def test_an_escaped_pattern_matches_only_itself(text):
    assert matches(escape(text), text)
    assert not matches(escape(text), text + "x")


@given(
    st.lists(
        st.text(st.characters(blacklist_categories=("Cs",), blacklist_characters="\0"), max_size=12),
        min_size=1,
        max_size=4,
    )
)
@settings(max_examples=60, deadline=None)
def test_quoting_is_undone(arguments):
    from twin_containers_lab import Lab

    async def run():
        lab = Lab()
        pod = lab.pod("frontend")
        await lab.clock.advance(0)
        words = " ".join("'" + argument.replace("'", "'\\''") + "'" for argument in arguments)
        result = await lab.sh(pod, f"printf '%s|' {words}")
        await lab.runtime.close()
        lab.storage.close()
        return result

    assert asyncio.run(run()).out == "".join(argument + "|" for argument in arguments)


@pytest.mark.parametrize(
    ("form", "arguments", "text"),
    [
        ("%05d", ["42"], "00042"),
        ("%s-%s\n", ["a"], "a-\n"),
        ("%x %o %c", ["255", "8", "abc"], "ff 10 a"),
        ("%b", ["a\\tb"], "a\tb"),
        ("%5.1f", ["3.14159"], "  3.1"),
        ("\\101", [], "A"),
    ],
)
def test_printf(form, arguments, text):
    assert printf(form, arguments).text == text


SCRIPTS = [
    'x="a b"; set -- $x "$x"; echo $# "$1"',
    "for i in a b; do for j in 1 2; do [ $j = 2 ] && continue 2; echo $i$j; done; done",
    "f() { local x=2; echo $x; }; x=1; f; echo $x",
    'case "a b" in "a b") echo y;; esac; case x in [!y]) echo z;; esac',
    "echo ${x:=5} $x; unset x; echo ${x-none}; : ${y:=1}; echo $y",
    'x=abcabc; echo ${x#*b} ${x##*b} ${x%b*} ${x%%b*} "${x#"ab"}"',
    'while read a b; do echo "$b-$a"; done <<E\n1 2 3\n4\nE',
    "set -e; (false) || echo ok; ! false; if false; then :; fi; echo end",
    "a=$(echo 1; exit 3); echo $? $a",
    "echo $((1<2)) $((5%3)) $((-5/2)) $((0x10)) $((010)) $((1?2:3)) $((!0))",
    'IFS=:; x=a:b::c; set -- $x; echo $#; for i; do echo "[$i]"; done',
    "printf '%s\\n' \"$(printf 'a\\n\\nb\\n\\n')\"",
    "true && false || echo third; false; echo $?",
    "echo a'b'\"c\"\\d $(echo 'x  y') \"$(echo 'x  y')\"",
    "x=1; (x=2; echo $x); echo $x; { x=3; }; echo $x",
    "i=0; while :; do i=$((i+1)); [ $i -gt 3 ] && break; done; echo $i",
    "cat <<'E'\n$x `a`\nE\ncat <<-E\n\ttab\n\tE",
    "eval 'echo \"$1\"' ; set -- 'p q'; eval 'echo \"$1\"'",
    "test 1 -eq 1 -a 2 -gt 1 && echo and; [ ! -e /nonexistent ] && echo not; [ a = b -o c = c ] && echo or",
    "f() { return 4; }; f || echo $?; f && echo no; echo ${#}",
    "x='a*'; echo \"$x\" ${x%\\*}; y='$x'; echo $y",
    "exec 3>&1; echo to3 >&3; exec 3>&-; echo done",
    "echo one | { read v; echo got $v; }; echo ${v:-unset}",
    "trap 'echo exit $?' EXIT; exit 5",
    "set -u; echo ${nope:-fine}; (echo $nope) 2>/dev/null; echo $?",
    'until [ "${n:-0}" -ge 2 ]; do n=$((${n:-0}+1)); done; echo $n',
    'if [ -n "" ]; then echo a; elif [ -z "" ]; then echo b; fi',
    'echo "a\\\nb" a\\\nb',
    'set -- a b c; shift; echo $@; echo "$*"; echo $1',
    "kill -0 $$ && echo alive; sleep 0 & wait; echo $?",
]


@pytest.mark.parametrize("script", SCRIPTS)
async def test_a_real_shell_agrees(lab, client, script):
    expected = _in_a_real_shell(script)
    result = await lab.sh(client, script)
    assert (result.out, result.code) == (expected.stdout, expected.returncode), (result, expected)


def _in_a_real_shell(script):
    real = shutil.which("dash") or shutil.which("sh")
    if real is None:
        pytest.skip("no POSIX shell on this machine to compare with")
    return subprocess.run(
        [real, "-c", script],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env={"PATH": "/usr/bin:/bin", "HOME": "/root"},
    )
