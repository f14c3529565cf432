from lab_helpers.twin.containers.shell.parsing import parse


def test_parse():
    for text in ["echo a b | cat && ls; x=1 y=$(echo 1) env >a 2>&1", "while true; do sleep 1; done &",
                 "case $x in a|b) echo 1;; *) echo 2;; esac", "cat <<EOF\nhello $x\nEOF\n", "f() { echo $1; }; f 2",
                 "if [ 1 = 1 ]; then echo; elif x; then y; else z; fi", 'echo "${x:-a b}" $((1+2)) `echo hi`', "[[ a == b && -n c ]]",
                 "for i in 1 2 3; do echo $i; done", "(cd /; ls) | wc -l"]:
        parse(text)
