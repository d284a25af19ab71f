//! `completion`: scripts with which shells complete commands.

use clap_complete::Shell;

use crate::help;
use crate::output::Out;

const NAME: &str = "causeway";

/// For bash, which takes a colon for the end of a word: the words of a command such as
/// `spaces:create` are joined before they are looked up, and what stands before the last colon is
/// taken from what is offered, as bash keeps it.
const JOIN_COLONS: &str = r#"
_causeway_joined() {
    local words=() index=0 i
    for ((i = 0; i < ${#COMP_WORDS[@]}; i++)); do
        if ((${#words[@]})) && [[ ${COMP_WORDS[i]} == :* || ${words[${#words[@]} - 1]} == *: ]]; then
            words[${#words[@]} - 1]+=${COMP_WORDS[i]}
        else
            words+=("${COMP_WORDS[i]}")
        fi
        ((i == COMP_CWORD)) && index=$((${#words[@]} - 1))
    done
    local COMP_WORDS=("${words[@]}") COMP_CWORD=$index
    local word=${words[index]}
    _causeway "$1" "$word" "${words[index > 0 ? index - 1 : 0]}"
    if [[ $word == *:* && $COMP_WORDBREAKS == *:* ]]; then
        COMPREPLY=("${COMPREPLY[@]#"${word%"${word##*:}"}"}")
    fi
}
complete -F _causeway_joined -o bashdefault -o default causeway
"#;

/// Prints the script of a shell.
pub(super) fn print(shell: Shell, out: &mut Out) {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut help::command(), NAME, &mut script);
    out.text(String::from_utf8_lossy(&script));
    if shell == Shell::Bash {
        out.text(JOIN_COLONS);
    }
}
