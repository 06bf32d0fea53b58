// `tsswarm completion bash|zsh|fish`: scripts that ask a hidden command for the words that may follow.
import type { Command } from 'commander';
import type { Context } from '../client/index.ts';
import { candidates } from './completion-words.ts';

const BASH = `# bash completion for tsswarm; load it with: source <(tsswarm completion bash)
_tsswarm() {
  local words=("\${COMP_WORDS[@]:1:COMP_CWORD}")
  local IFS=$'\\n'
  COMPREPLY=($(tsswarm __complete -- "\${words[@]}" 2>/dev/null | cut -f1))
  if [ "\${#COMPREPLY[@]}" -eq 0 ]; then compopt -o default; fi
  case "\${COMPREPLY[0]}" in *=) compopt -o nospace ;; esac
}
complete -F _tsswarm tsswarm
`;

const ZSH = `#compdef tsswarm
# zsh completion for tsswarm; load it with: source <(tsswarm completion zsh)
_tsswarm() {
  local -a found
  local line
  for line in "\${(@f)$(tsswarm __complete -- "\${(@)words[2,CURRENT]}" 2>/dev/null)}"; do
    [ -n "$line" ] && found+=("\${\${line%%$'\\t'*}//:/\\\\:}:\${line#*$'\\t'}")
  done
  if (( \${#found} )); then _describe 'tsswarm' found; else _files; fi
}
compdef _tsswarm tsswarm
`;

const FISH = `# fish completion for tsswarm; load it with: tsswarm completion fish | source
function __tsswarm_complete
  set -l words (commandline -opc) (commandline -ct)
  tsswarm __complete -- $words[2..-1] 2>/dev/null
end
complete -c tsswarm -f -a '(__tsswarm_complete)'
complete -c tsswarm -n '__fish_seen_subcommand_from deploy config load' -F
`;

const SCRIPTS: Readonly<Record<string, string>> = { bash: BASH, zsh: ZSH, fish: FISH };

/** Adds `completion` and the hidden `__complete`. */
export function completionCommand(program: Command, context: () => Context): void {
  program
    .command('completion')
    .description('Print a completion script for a shell')
    .argument('<shell>', Object.keys(SCRIPTS).join(', '))
    .action((shell: string) => {
      const script = Object.hasOwn(SCRIPTS, shell) ? SCRIPTS[shell] : undefined;
      if (script === undefined) {
        throw new Error(
          `unknown shell ${JSON.stringify(shell)}: use ${Object.keys(SCRIPTS).join(', ')}`,
        );
      }
      context().print(script);
    });
  program
    .command('__complete', { hidden: true })
    .argument('[words...]')
    .allowUnknownOption()
    .passThroughOptions()
    .action(async (words: string[]) => {
      const found = await candidates(program, words, context);
      const lines = found.map(({ word, description }) => `${word}\t${description}\n`);
      context().print(lines.join(''));
    });
}
