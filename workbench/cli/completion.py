"""`workbench completion`: the script that teaches a shell to complete, and the answers that the script asks for."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping

from workbench.cli.parser import Parser
from workbench.config import Config
from workbench.errors import UsageError

_BASH = r"""# workbench completion for bash: eval "$(workbench completion bash)"
_workbench() {
  local words=() word glue= i kind value bare
  # Bash parts words at = and :, which options and image names are whole with.
  for ((i = 1; i <= COMP_CWORD; i++)); do
    word=${COMP_WORDS[i]}
    if [[ ${#words[@]} -gt 0 && ( -n $glue || $word == [=:]* ) ]]; then
      words[${#words[@]}-1]+=$word
    else
      words+=("$word")
    fi
    if [[ $word == *[=:] ]]; then glue=1; else glue=; fi
  done
  local whole=${words[${#words[@]}-1]} current=${COMP_WORDS[COMP_CWORD]}
  if [[ $current == [=:]* ]]; then current=; fi
  local before=${whole%"$current"}
  COMPREPLY=()
  {
    read -r kind
    while IFS=$'\t' read -r value _; do COMPREPLY+=("${value#"$before"}"); done
  } < <("${COMP_WORDS[0]}" completion answer "${words[@]}" 2>/dev/null)
  if [[ $kind == files || $kind == folders ]]; then
    compopt -o filenames
    local how=-f
    if [[ $kind == folders ]]; then how=-d; fi
    while IFS= read -r bare; do COMPREPLY+=("$bare"); done < <(compgen "$how" -- "$current")
  fi
}
complete -F _workbench workbench
"""

_ZSH = r"""#compdef workbench
# workbench completion for zsh: source <(workbench completion zsh), or a file _workbench in a folder of $fpath
_workbench() {
  local -a lines shown
  local line kind
  lines=("${(@f)$("${(Q)words[1]}" completion answer "${(@Q)words[2,CURRENT-1]}" "${(Q)PREFIX}" 2>/dev/null)}")
  kind=$lines[1]
  for line in "${(@)lines[2,-1]}"; do
    shown+=("${${line%%$'\t'*}//:/\\:}:${line#*$'\t'}")
  done
  if (( $#shown )); then _describe -t values workbench shown; fi
  if [[ $kind == files || $kind == folders ]]; then
    if [[ $PREFIX == -*=* ]]; then compset -P '*='; fi
    if [[ $kind == folders ]]; then _files -/; else _files; fi
  fi
}
if [[ $funcstack[1] == _workbench ]]; then _workbench "$@"; else compdef _workbench workbench; fi
"""

_FISH = r"""# workbench completion for fish: workbench completion fish | source
function __workbench_complete
  set -l words (commandline -opc)
  set -l current (commandline -ct)
  set -l lines ($words[1] completion answer $words[2..-1] "$current" 2>/dev/null)
  for line in $lines[2..-1]
    echo $line
  end
  switch "$lines[1]"
    case files
      __fish_complete_path "$current"
    case folders
      __fish_complete_directories "$current" ''
  end
end
complete -c workbench -f -a '(__workbench_complete)'
"""

SCRIPTS: Mapping[str, str] = {"bash": _BASH, "zsh": _ZSH, "fish": _FISH}


def add_arguments(parser: Parser, name: str) -> None:
    parser.add_argument("shell", metavar="bash | zsh | fish", help="the shell whose script is printed")
    parser.add_argument("words", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)


def run(args: argparse.Namespace, config: Config) -> int:
    """Prints the script. `answer WORD...` is what the scripts ask: the words of a command line without its first,
    the last of them being typed."""
    if args.shell == "answer":
        from workbench.cli.answer import answer

        sys.stdout.write(answer(args.words))
        return 0
    if args.shell not in SCRIPTS or args.words:
        raise UsageError(f"completion is for {', '.join(SCRIPTS)}", hint="As in: workbench completion bash")
    sys.stdout.write(SCRIPTS[args.shell])
    return 0
