/** Keys that move real money or open real systems, by the prefixes that their makers give them. */
const LIVE: readonly RegExp[] = [
  /(^|[^A-Za-z0-9])[srp]k_live_/, // Stripe
  /(^|[^A-Za-z0-9])(AKIA|ASIA)[0-9A-Z]{16}/, // AWS
  /(^|[^A-Za-z0-9])(gh[pousr]_|github_pat_)[A-Za-z0-9]/, // GitHub
  /(^|[^A-Za-z0-9])glpat-/, // GitLab
  /(^|[^A-Za-z0-9])xox[abeoprs]-|(^|[^A-Za-z0-9])xapp-/, // Slack
  /(^|[^A-Za-z0-9])sk-(ant|proj|svcacct|or)-/, // Anthropic, OpenAI, OpenRouter
  /(^|[^A-Za-z0-9])AIza[0-9A-Za-z_-]{30}/, // Google
  /(^|[^A-Za-z0-9])SG\.[\w-]{16,}\./, // SendGrid
  /(^|[^A-Za-z0-9])shp(at|ss|ca|pa)_/, // Shopify
  /(^|[^A-Za-z0-9])(npm|pypi|dop_v1|hvs|hvb)[_.-][A-Za-z0-9]{16}/, // npm, PyPI, DigitalOcean, Vault
  /(^|[^A-Za-z0-9])(live|prod|production)[_-][A-Za-z0-9]{16}/, // what others call it
]

/** Whether a value looks like a key of a live system; `--dev` refuses those. A guess by its shape, in no way a proof. */
export function looksLive(value: string): boolean {
  return LIVE.some((pattern) => pattern.test(value))
}
