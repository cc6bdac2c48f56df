import { Argument, type Command, type Option } from 'commander'
import { screen } from './print.ts'

/** What can follow some words: verbs, options, and the choices of an option that has some. */
interface Node {
  /** `ledger verify`; empty for `keystay` alone. */
  readonly path: string
  readonly verbs: readonly { readonly name: string; readonly description: string }[]
  readonly options: readonly { readonly flag: string; readonly description: string; readonly takes: Takes }[]
}
/** null: nothing. `file`: a path. A list: one of these. */
type Takes = null | 'file' | 'text' | readonly string[]

/** `completion bash | zsh | fish`: a script that knows the verbs and options of this version, and starts no program. */
export function completion(program: Command): void {
  program
    .command('completion')
    .description('a script for your shell that completes verbs and options')
    .addArgument(new Argument('<shell>').choices(['bash', 'zsh', 'fish']))
    .addHelpText(
      'after',
      '\nbash: source <(keystay completion bash)\nzsh:  source <(keystay completion zsh)\nfish: keystay completion fish | source',
    )
    .action((shell: 'bash' | 'zsh' | 'fish') => screen.out(SCRIPTS[shell](nodesOf(program, ''))))
}

function nodesOf(command: Command, path: string): Node[] {
  const verbs = command.commands.map((one) => ({ name: one.name(), description: one.description() }))
  const options: Node['options'] = [
    ...command.options.map((option) => ({
      flag: option.long ?? option.short ?? '',
      description: option.description,
      takes: takesOf(option),
    })),
    { flag: '--help', description: 'what it does', takes: null },
  ]
  const own = command.registeredArguments.flatMap(({ argChoices = [] }) =>
    argChoices.map((name) => ({ name, description: '' })),
  )
  return [
    { path, verbs: [...verbs, ...own], options },
    ...command.commands.flatMap((one) => nodesOf(one, `${path} ${one.name()}`.trim())),
  ]
}

function takesOf({ argChoices, required, optional, flags }: Option): Takes {
  if (argChoices !== undefined) return argChoices
  if (!required && !optional) return null
  return /<(file|dir)>/.test(flags) ? 'file' : 'text'
}

/**
 * The words before the cursor that are verbs make the path; after an option that takes a value comes that value. zsh runs
 * the same script through its bashcompinit; there a variable named path would be the PATH.
 */
function bash(nodes: readonly Node[]): string {
  const words = (node: Node) => [...node.verbs.map(({ name }) => name), ...node.options.map(({ flag }) => flag)]
  const values = nodes.flatMap(({ options }) => options.filter(({ takes }) => takes !== null))
  const taking = (kind: (takes: Takes) => boolean) =>
    [...new Set(values.filter(({ takes }) => kind(takes)).map(({ flag }) => flag))].join('|')
  const choices = values.filter(({ takes }) => Array.isArray(takes))
  return `# keystay: completion for bash
_keystay() {
  local word="\${COMP_WORDS[COMP_CWORD]}" before="\${COMP_WORDS[COMP_CWORD-1]}" verb="" one next i
  COMPREPLY=()
  case "$before" in
${[...new Map(choices.map(({ flag, takes }) => [flag, takes as readonly string[]]))].map(([flag, list]) => `    ${flag}) COMPREPLY=($(compgen -W "${list.join(' ')}" -- "$word")); return ;;\n`).join('')}    ${taking((takes) => takes === 'file')}) COMPREPLY=($(compgen -f -- "$word")); return ;;
    ${taking((takes) => takes === 'text')}) return ;;
  esac
  for ((i = 1; i < COMP_CWORD; i++)); do
    one="\${COMP_WORDS[i]}"
    next="\${verb:+$verb }$one"
    case "$next" in
      ${nodes
        .map(({ path }) => path)
        .filter(Boolean)
        .map((path) => JSON.stringify(path))
        .join('|')}) verb="$next" ;;
    esac
  done
  case "$verb" in
${nodes.map((node) => `    ${JSON.stringify(node.path)}) COMPREPLY=($(compgen -W "${words(node).join(' ')}" -- "$word")) ;;\n`).join('')}  esac
}
complete -F _keystay keystay
`
}

function zsh(nodes: readonly Node[]): string {
  return `#compdef keystay
autoload -U +X compinit && (( $+functions[compdef] )) || compinit -u
autoload -U +X bashcompinit && bashcompinit
${bash(nodes)}`
}

function fish(nodes: readonly Node[]): string {
  const quoted = (text: string) => `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`
  const lines = nodes.flatMap(({ path, verbs, options }) => {
    const at = `complete -c keystay -n ${quoted(`__keystay_at ${quoted(path)}`)}`
    return [
      ...verbs.map(({ name, description }) => `${at} -f -a ${name} -d ${quoted(description)}`),
      ...options.map(({ flag, description, takes }) => {
        const value =
          takes === null
            ? ''
            : takes === 'file'
              ? ' -r -F'
              : ` -x${takes === 'text' ? '' : ` -a ${quoted(takes.join(' '))}`}`
        return `${at} -l ${flag.slice(2)}${value} -d ${quoted(description)}`
      }),
    ]
  })
  return `# keystay: completion for fish
complete -c keystay -e
complete -c keystay -f
function __keystay_at
  set -l verb
  for word in (commandline -opc)[2..]
    set -l next (string join -- ' ' $verb $word)
    contains -- "$next" ${nodes
      .map(({ path }) => path)
      .filter(Boolean)
      .map(quoted)
      .join(' ')}; and set verb $verb $word
  end
  test (string join -- ' ' $verb) = "$argv[1]"
end
${lines.join('\n')}
`
}

const SCRIPTS = { bash, zsh, fish } as const
