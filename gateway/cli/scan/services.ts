/** What is known of a service by its names and shapes. */
export interface Service {
  readonly id: string
  /** Words of a variable's name. */
  readonly names: RegExp
  /** Where code makes a client of it. `within` must stand somewhere in the same file: names like Client are everybody's. */
  readonly makes: readonly { readonly pattern: RegExp; readonly within?: RegExp }[]
  /** What a value of it looks like, in the words of looksLikeKey or the rule of secretlint. */
  readonly values: RegExp
}

/** The order counts: the first that fits a name is it. */
export const SERVICES: readonly Service[] = [
  service(
    'stripe',
    /STRIPE/,
    /^Stripe|^stripe$/,
    /\bnew\s+Stripe\s*\(/,
    /\bstripe\.api_key\s*=/,
    /\bStripeClient\s*\(/,
  ),
  service(
    'anthropic',
    /ANTHROPIC|CLAUDE/,
    /^Anthropic|^anthropic$/,
    /\b(new\s+|Async)?Anthropic\s*\(/,
    /\bcreateAnthropic\s*\(/,
  ),
  service(
    'openai',
    /OPENAI/,
    /^OpenAI|^openai$/,
    /\b(new\s+|Async|Azure)?OpenAI\s*\(/,
    /\bopenai\.api_key\s*=/,
    /\bcreateOpenAI\s*\(/,
  ),
  service(
    'github',
    /GITHUB|(^|_)GH(_|$)/,
    /^GitHub|^github$/,
    /\bnew\s+Octokit\s*\(/,
    within(/\bGithub\s*\(/, /\bgithub\b/),
  ),
  service('gitlab', /GITLAB/, /^GitLab|^gitlab$/, /\bnew\s+Gitlab\s*\(/, /\bgitlab\.Gitlab\s*\(/),
  service(
    'slack',
    /SLACK/,
    /^Slack|^slack$/,
    within(/\b(new\s+|Async)?WebClient\s*\(/, /slack/i),
    within(/\bnew\s+App\s*\(/, /@slack\/bolt/),
  ),
  service('sendgrid', /SENDGRID/, /^SendGrid|^sendgrid$/, /\.setApiKey\s*\(/, /\bSendGridAPIClient\s*\(/),
  service('twilio', /TWILIO/, /^Twilio/, within(/\b(twilio|Client)\s*\(/, /(from|require\(|import)\s*['"(]?twilio/)),
  service(
    'aws',
    /^AWS_|_AWS_/,
    /^AWS|^aws$/,
    /\bboto3\.(client|resource|Session)\s*\(/,
    /\bnew\s+AWS\.\w+\s*\(/,
    within(/\bnew\s+\w+Client\s*\(/, /@aws-sdk\//),
  ),
  service('mongodb', /MONGO/, /^Mongo/, /\b(new\s+)?MongoClient\s*\(/, /\bmongoose\.connect\s*\(/),
  service('mysql', /MYSQL|MARIADB/, /^MySQL/, /\b(mysql2?|pymysql)\.(createConnection|createPool|connect)\s*\(/),
  service('redis', /REDIS/, /^Redis/, within(/\b(new\s+)?(Redis|createClient)\s*\(/, /redis/i)),
  service(
    'postgres',
    /DATABASE|POSTGRES|^PG|(^|_)DB(_|$)|SUPABASE/,
    /^URL with|^connection string|^database-connection/,
    /\b(psycopg2?|asyncpg)\.(connect|create_pool|AsyncConnection\.connect|Connection\.connect)\s*\(/,
    within(/\bnew\s+(pg\.)?(Pool|Client)\s*\(/, /['"]pg['"]|['"]@neondatabase\/serverless['"]/),
    within(/\bpostgres\s*\(/, /['"]postgres['"]/),
    /\bcreate_(async_)?engine\s*\(/,
    /\bnew\s+PrismaClient\s*\(/,
  ),
]

type Makes = Service['makes'][number]

function service(id: string, names: RegExp, values: RegExp, ...makes: (RegExp | Makes)[]): Service {
  return { id, names, values, makes: makes.map((one) => (one instanceof RegExp ? { pattern: one } : one)) }
}

function within(pattern: RegExp, file: RegExp): Makes {
  return { pattern, within: file }
}

/** Whose key it is: by what a value looks like, by the words of a name; else the first word of the name. */
export function serviceOf(name: string, what: string): string {
  const upper = name.replace(/([a-z0-9])([A-Z])/g, '$1_$2').toUpperCase()
  const known = SERVICES.find(({ values }) => values.test(what)) ?? SERVICES.find(({ names }) => names.test(upper))
  // A URL with a password is a database only where its scheme or name says so; the name goes first.
  const byName = SERVICES.find(({ names }) => names.test(upper))
  if (known !== undefined) return (known.id === 'postgres' ? (byName ?? known) : known).id
  const first = upper.split(/[^A-Z0-9]+/).find((word) => word !== '' && !COMMON.has(word))
  return (first ?? 'backend').toLowerCase().replace(/^(?=\d)/, 'x')
}

/** Words that say nothing about whose it is. */
const COMMON = new Set(
  ['API', 'APP', 'MY', 'THE', 'KEY', 'TOKEN', 'SECRET', 'PASSWORD', 'PASS', 'AUTH', 'AUTHORIZATION', 'BEARER', 'ACCESS']
    .concat(['PRIVATE', 'PUBLIC', 'NEXT', 'VITE', 'REACT', 'CLIENT', 'SERVER', 'PROD', 'DEV', 'LIVE', 'TEST', 'X', 'A'])
    .concat(['JWT', 'COOKIE', 'SESSION', 'CREDENTIALS', 'SERVICE', 'ACCOUNT', 'HEADER', 'URL', 'ID', 'ENV']),
)
