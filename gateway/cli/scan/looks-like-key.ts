/**
 * Whether a setting looks like a credential, by its value where a maker has a shape of its own, else by its name. A guess,
 * in no way a proof: it errs towards yes, because whoever is wronged sees the name and can say --keep.
 *
 * @param name of an environment variable, a member of JSON, an option; '' where there is none.
 * @returns what kind of credential in a few words (`Stripe key`, `URL with a password`, `named like a password`), never a
 *   part of the value; null for a setting, an empty value, and a reference to where a credential is kept.
 */
export function looksLikeKey(name: string, value: string, place: 'file' | 'environment' = 'file'): string | null {
  if (place === 'file') return isReference(value) ? null : (kindOfValue(value) ?? kindOfName(name, value))
  if (isKeptElsewhere(value)) return null
  // In an environment nothing is put in any more: `$ecret` is a password there, and no variable; in a URL, too.
  return kindOfValue(value) ?? kindOfValue(value.replaceAll(/[$<{%'"]/g, '-')) ?? kindOfName(name, value)
}

/** What stands in a text, by the shapes that makers give their credentials; the first that fits. */
export function kindOfValue(value: string): string | null {
  if (value.length < 8) return null
  return SHAPES.find(([, shape]) => shape.test(value))?.[0] ?? null
}

/** Whether a variable of this name holds credentials, whatever its value is. */
export function isNamedLikeKey(name: string): boolean {
  return named(name) !== null
}

/** Empty, or it only says where the value is to come from: `${VAR}`, `${env:VAR}`, `$VAR`, `op://…`, `vault://…`, `<key>`. */
export function isReference(value: string): boolean {
  const text = value.trim()
  return (
    isKeptElsewhere(value) ||
    /^\$(\w+|\{[^{}]*\}|\{\{[^{}]*\}\})$/.test(text) ||
    /^<[^<>]*>$/.test(text) ||
    /^\{\{[^{}]*\}\}$/.test(text)
  )
}

/** Empty, or the name of a place: `op://…`, `vault://…`. */
function isKeptElsewhere(value: string): boolean {
  const text = value.trim()
  return text === '' || /^(op|age|vault|aws|env|file|secret|keychain):\/\/[^@\s]*$/.test(text)
}

/** Starts where a word does, so that a key inside a longer text is seen, and one inside another word is not. */
const at = (shape: string): RegExp => new RegExp(`(?:^|[^A-Za-z0-9])${shape}`)

/** Linear in the length of the value: no part of a pattern can match the same text in two ways. */
const SHAPES: readonly (readonly [kind: string, shape: RegExp])[] = [
  ['private key', /-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY/],
  ['private key', at('AGE-SECRET-KEY-1[0-9A-Z]{10}')],
  ['Stripe key', at('[sr]k_(live|test)_[A-Za-z0-9]{8}')],
  ['Stripe webhook secret', at('whsec_[A-Za-z0-9+/=]{16}')],
  ['session token of Keystay', at('kst_[A-Za-z0-9_-]{20}')],
  ['GitHub token', at('(gh[pousr]_[A-Za-z0-9]{16}|github_pat_[A-Za-z0-9_]{16})')],
  ['GitLab token', at('gl(pat|dt|rt|cbt|ptt|ft|imt|agent|oas)-[A-Za-z0-9_-]{16}')],
  ['Slack token', at('(xox[abceoprs]-|xapp-)[A-Za-z0-9-]{8}')],
  ['Slack webhook', /hooks\.slack\.com\/(services|workflows|triggers)\/[A-Za-z0-9/]{16}/],
  ['AWS access key', at('(AKIA|ASIA|ABIA|ACCA)[0-9A-Z]{16}(?![0-9A-Z])')],
  ['Anthropic key', at('sk-ant-[A-Za-z0-9_-]{8}')],
  ['OpenAI key', at('sk-(proj-|svcacct-|admin-|or-)?[A-Za-z0-9_-]{20}')],
  ['Google key', at('AIza[0-9A-Za-z_-]{30}')],
  ['Google token', at('ya29\\.[0-9A-Za-z_-]{16}')],
  ['Hugging Face token', at('hf_[A-Za-z0-9]{20}')],
  ['SendGrid key', at('SG\\.[\\w-]{16,64}\\.')],
  ['Shopify token', at('shp(at|ss|ca|pa)_[A-Fa-f0-9]{16}')],
  ['npm token', at('npm_[A-Za-z0-9]{20}')],
  ['PyPI token', at('pypi-[A-Za-z0-9_-]{20}')],
  ['Vault token', at('hv[sbr]\\.[A-Za-z0-9_-]{16}')],
  ['DigitalOcean token', at('do[opr]_v1_[a-f0-9]{16}')],
  ['Linear key', at('lin_(api|oauth)_[A-Za-z0-9]{16}')],
  ['Notion token', at('(ntn_|secret_)[A-Za-z0-9]{32}')],
  ['Databricks token', at('dapi[a-f0-9]{32}')],
  ['Groq key', at('gsk_[A-Za-z0-9]{20}')],
  ['Telegram token', at('[0-9]{8,10}:AA[A-Za-z0-9_-]{33}')],
  // Its first part is looked at backwards from the first dot: each `eyJ` could begin one, and each dot ends one alone.
  ['JWT', /\.(?<=(?:^|[^A-Za-z0-9])eyJ[\w-]{8,16384}\.)eyJ[\w-]{4,16384}\.[\w-]{4}/],
  ['URL with a password', /[a-z0-9+.-]:\/\/[^\s/:@?#'"]{0,256}:(?!\$?\{|\$[A-Z]|<|%s)[^\s/@'"]{1,256}@[^\s@]/i],
  ['URL with a token', /:\/\/[^\s/:@?#'"${<]{16,256}@[^\s@]/],
  ['connection string with a password', /(?:^|[\s;])(?:password|pwd)\s{0,8}=\s{0,8}[^\s;${<'"%]/i],
  ['Authorization header', /^(Bearer|Basic|token)\s+[A-Za-z0-9+/=_.~-]{12,16384}$/i],
]

function kindOfName(name: string, value: string): string | null {
  const kind = named(name)
  // A count, a switch or a length is none, whatever it is called; a short number may well be a password.
  const setting = /^(\d{1,9}|true|false|yes|no|on|off|none|null|enabled|disabled)$/i.test(value.trim())
  return setting && kind !== 'named like a password' ? null : kind
}

function named(name: string): string | null {
  const words = snake(name)
  if (NOT_SECRET.test(words)) return null
  return NAMES.find(([, pattern]) => pattern.test(words))?.[0] ?? null
}

/** apiKey, api-key and api.key are API_KEY. */
function snake(name: string): string {
  return name
    .slice(0, 256)
    .replace(/([a-z0-9])([A-Z])/g, '$1_$2')
    .replace(/[^A-Za-z0-9]+/g, '_')
    .replace(/^_+|_+$/g, '')
    .toUpperCase()
}

/** Half of a pair that is given away, or where to find something. */
const NOT_SECRET =
  /^(PWD|OLDPWD)$|(^|_)(PUBLIC|PUBLISHABLE|ANON)_KEY$|(^|_)(PRIMARY|FOREIGN|SORT|PARTITION|CACHE|ROUTE|IDEMPOTENCY|REQUEST)_KEY$|^AWS_(REGION|DEFAULT_REGION|DEFAULT_OUTPUT|CA_BUNDLE|PAGER|SDK_LOAD_CONFIG)$/

const NAMES: readonly (readonly [kind: string, pattern: RegExp])[] = [
  ['named like a password', /(^|_)(\w*PASSWORD|PASS|PASSWD|PASSPHRASE|PASSCODE|PWD|PGPASS|REDISCLI_AUTH)S?(_\d+)?$/],
  ['named like a secret', /(^|_)(\w*SECRET|SECRET_\w+|CREDENTIALS?|CREDS?)S?(_\d+)?$/],
  [
    'named like a key',
    /(^|_)(KEY|\w*(API|AUTH|MASTER)_?KEY|ACCESS_?KEY|PRIVATE_?KEY)(_(ID|BASE64|B64|PEM|JSON|\d+))?$/,
  ],
  ['named like a key', /_(PRIVATE_KEY|API_KEY|ACCESS_KEY)S?_\w+$|(^|_)KEYS$/],
  ['named like a token', /(^|_)(\w*TOKEN|PAT|AUTH_TOKEN_\w+|JWT|BEARER)(_\d+)?$/],
  ['named like a sign-in', /(^|_)(AUTH|AUTHORIZATION|COOKIE|DOCKER_AUTH_CONFIG|NETRC)$/],
  // What signs in by itself: profiles, sockets of agents that hold keys, files that hold them.
  ['a way into AWS', /^AWS_/],
  [
    'a way to credentials',
    /^(SSH_AUTH_SOCK|SSH_AGENT_PID|GPG_AGENT_INFO|KUBECONFIG|PGPASSFILE|PGSERVICEFILE|GOOGLE_APPLICATION_CREDENTIALS|AZURE_CLIENT_CERTIFICATE_PATH|VAULT_\w+|ACTIONS_ID_TOKEN_REQUEST_URL|DOCKER_HOST|CLOUDSDK_CONFIG|NPM_CONFIG_USERCONFIG|MSI_ENDPOINT|IDENTITY_ENDPOINT)$/,
  ],
]
