"""The shell, by what it prints."""

from __future__ import annotations

import pytest

CASES = [
    ("echo hello", "hello\n", 0),
    ("echo a b   c", "a b c\n", 0),
    ("echo 'a  b' \"c  d\"", "a  b c  d\n", 0),
    ("x=1; echo $x ${x} \"$x\" '$x'", "1 1 1 $x\n", 0),
    ("false || echo no; true && echo yes", "no\nyes\n", 0),
    ("echo $(echo inner) `echo back`", "inner back\n", 0),
    ("echo $((1 + 2 * 3)) $((7 / 2)) $((-7 % 3))", "7 3 -1\n", 0),
    ("for i in 1 2 3; do echo $i; done", "1\n2\n3\n", 0),
    ("i=0; while [ $i -lt 3 ]; do i=$((i+1)); done; echo $i", "3\n", 0),
    ("i=0; until [ $i -ge 2 ]; do i=$((i+1)); done; echo $i", "2\n", 0),
    ("case abc in x*) echo 1;; a?c) echo 2;; *) echo 3;; esac", "2\n", 0),
    ("if false; then echo a; elif true; then echo b; else echo c; fi", "b\n", 0),
    ("f() { echo $1-$#; return 3; }; f x y; echo $?", "x-2\n3\n", 0),
    ("echo one > /tmp/f; echo two >> /tmp/f; while read l; do echo [$l]; done < /tmp/f", "[one]\n[two]\n", 0),
    ("read a b <<EOF\n1 2 3\nEOF\necho $b", "2 3\n", 0),
    ("x=5; read y <<EOF\nv=$x\nEOF\necho $y", "v=5\n", 0),
    ("(exit 4); echo $?", "4\n", 0),
    ("exit 7", "", 7),
    ("set -e; false; echo never", "", 1),
    ("set -e; if false; then :; fi; false || true; echo here", "here\n", 0),
    ("echo ${x:-default} ${x:+set}; x=1; echo ${x:+set} ${#x}", "default\nset 1\n", 0),
    ("p=/a/b/c.txt; echo ${p##*/} ${p%.txt} ${p%%/*} ${p#*/}", "c.txt /a/b/c a/b/c.txt\n", 0),
    ("echo a | while read x; do echo got $x; done", "got a\n", 0),
    ("x='a b'; for w in $x; do echo $w; done; for w in \"$x\"; do echo $w; done", "a\nb\na b\n", 0),
    ("set -- a 'b c'; for x in \"$@\"; do echo $x; done; echo $#", "a\nb c\n2\n", 0),
    ("echo out; echo err >&2", "out\n", 0),
    ("nosuch; echo $?", "127\n", 0),
    ("x=1 env | while read l; do case $l in x=*) echo $l;; esac; done; echo ${x-unset}", "x=1\nunset\n", 0),
    ('touched=; [ -z "$touched" ] && echo empty', "empty\n", 0),
    ("echo a > /tmp/a1; echo b > /tmp/a2; cd /tmp; echo a*; echo 'a*' z*", "a1 a2\na* z*\n", 0),
    ("! true; echo $?; ! false; echo $?", "1\n0\n", 0),
    ("for i in 1 2 3 4; do [ $i = 2 ] && continue; [ $i = 4 ] && break; echo $i; done", "1\n3\n", 0),
    ("{ echo a; echo b; } | { read x; read y; echo $y$x; }", "ba\n", 0),
    ("trap 'echo bye' EXIT; echo hi", "hi\nbye\n", 0),
    ("printf '%s=%d\\n' a 1 b 2", "a=1\nb=2\n", 0),
    ("eval 'x=3; echo $x'", "3\n", 0),
    ("sleep 0 & wait $!; echo $?", "0\n", 0),
    ("echo \"$(printf 'a\\n\\n')\"x", "ax\n", 0),
    ("a=1; b=2; echo $(( a > b ? a : b ))", "2\n", 0),
    ('echo "a\\"b\\$c"', 'a"b$c\n', 0),
    ("x='*'; echo \"$x\"", "*\n", 0),
    ("IFS=,; set -- a,b; x=a,b,c; for i in $x; do echo $i; done", "a\nb\nc\n", 0),
]


@pytest.mark.parametrize(("script", "out", "code"), CASES)
async def test_scripts(lab, client, script, out, code):
    result = await lab.sh(client, script)
    assert (result.out, result.code) == (out, code), result


BASH = [
    ("[[ abc == a* ]] && echo yes", "yes\n", 0),
    ("[[ abc =~ ^a(b)c$ && -n x ]] && echo yes", "yes\n", 0),
    ("for i in {1..3}; do echo $i; done", "1\n2\n3\n", 0),
    ("for ((i=0;i<3;i++)); do echo $i; done", "0\n1\n2\n", 0),
    ("read x <<< hello; echo $x", "hello\n", 0),
    ("x=hello; echo ${x/l/L} ${x//l/L} ${x:1:3} ${x^^}", "heLlo heLLo ell HELLO\n", 0),
    ("((1 > 2)) || echo no", "no\n", 0),
    ("false | true; echo $?; set -o pipefail; false | true; echo $?", "0\n1\n", 0),
]


@pytest.mark.parametrize(("script", "out", "code"), BASH)
async def test_bash(lab, client, script, out, code):
    result = await lab.sh(client, script, shell="bash")
    assert (result.out, result.code) == (out, code), result


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("if true; then", "sh: syntax error: unexpected end of file"),
        ("echo |", "sh: syntax error: unexpected end of file"),
        ("| echo", 'sh: syntax error: unexpected "|"'),
        ("done", 'sh: syntax error: unexpected "done"'),
        ("echo 'a", "sh: syntax error: unterminated quoted string"),
        ("echo ;;", 'sh: syntax error: unexpected ";;"'),
        ("for 1 in a; do :; done", "sh: syntax error: bad for loop variable"),
        ("( echo", "sh: syntax error: unexpected end of file"),
    ],
)
async def test_syntax_errors(lab, client, script, message):
    result = await lab.sh(client, script)
    assert result.code == 2
    assert message in result.err


@pytest.mark.parametrize(
    ("script", "code", "message"),
    [
        ("(" * 3000 + "echo" + ")" * 3000, 2, "nested too deeply"),
        ("f() { f; }; f", 2, "too many nested function calls"),
        ("f() { (f); }; f", 2, "nested"),
        ("f() { x=$(f); }; f", 2, "nested"),
        ("echo $((" + "(" * 3000 + "1" + ")" * 3000 + "))", 2, "nested too deeply"),
        ("x='x+1'; echo $((x))", 2, "expression recursion loop"),
        ("x=aaaaaaaaaaaaaaaa; while :; do x=$x$x; done", 2, "too large"),
        ("printf '%99999999d' 1", 1, "too large"),
    ],
)
async def test_limits(lab, client, script, code, message):
    result = await lab.sh(client, script)
    assert result.code == code, (result.code, result.err[:300])
    assert message in result.err
