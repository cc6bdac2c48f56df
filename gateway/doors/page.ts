import { createHash } from 'node:crypto'
import { visible } from '../core/visible.ts'
import type { Answer } from './send.ts'

/** Text of HTML; everything that was put into it is escaped. */
export interface Html {
  readonly html: string
}

/** Hostile text stays text: the five characters that end it are escaped, and what cannot be seen is made visible. */
export function markup(pieces: TemplateStringsArray, ...values: readonly (string | Html | readonly Html[])[]): Html {
  return {
    html: pieces.map((piece, index) => piece + (index < values.length ? escaped(values[index] ?? '') : '')).join(''),
  }
}

/**
 * A small page: no script, nothing from elsewhere, one style that the policy names by its hash.
 *
 * @param next where the browser goes by itself, from this page. After a sign-in that is what makes the next request one of
 *   our own site: a redirect would still be the issuer's, and the browser would keep a SameSite=Strict cookie to itself.
 * @param formTo where a form of this page may be redirected to, beside here (CSP's form-action holds for that too).
 */
export function page(
  title: string,
  body: Html,
  more: {
    readonly status?: number
    readonly next?: string
    readonly formTo?: string
    readonly cookies?: readonly string[]
  } = {},
): Answer {
  const refresh =
    more.next === undefined ? markup`` : markup`<meta http-equiv="refresh" content="0;url=${more.next}" />`
  const onward = more.next === undefined ? markup`` : markup`<p><a href="${more.next}">Go on</a></p>`
  const { html: text } = markup`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <title>${title} · Keystay</title>
        <meta name="viewport" content="width=device-width,initial-scale=1" />
        <meta name="robots" content="noindex" />
        ${refresh}
        ${{ html: `<style>${STYLE}</style>` }}
      </head>
      <body>
        <main>
          <h1>${title}</h1>
          ${body} ${onward}
        </main>
      </body>
    </html> `
  return {
    status: more.status ?? 200,
    type: 'text/html',
    body: undefined,
    text,
    policy: `default-src 'none'; style-src '${STYLE_HASH}'; form-action 'self'${more.formTo === undefined ? '' : ` ${more.formTo}`}; base-uri 'none'; frame-ancestors 'none'`,
    ...(more.cookies === undefined ? {} : { cookies: more.cookies }),
  }
}

const STYLE = `:root{color-scheme:light dark}body{font:1rem/1.5 system-ui,sans-serif;margin:0;padding:1.5rem}main{max-width:36rem;margin:auto}h1{font-size:1.4rem}dt{font-weight:600;margin-top:.6rem}dd{margin:0;overflow-wrap:anywhere}form{display:inline-block;margin:1rem 1rem 0 0}button,input{font:inherit;padding:.5rem 1rem}.code{font:1.4rem ui-monospace,monospace;letter-spacing:.1em}`
const STYLE_HASH = `sha256-${createHash('sha256').update(STYLE).digest('base64')}`

function escaped(value: string | Html | readonly Html[]): string {
  if (typeof value === 'string')
    return visible(value).replaceAll(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`)
  return 'html' in value ? value.html : value.map((one) => one.html).join('\n')
}
