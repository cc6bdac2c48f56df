/** What a person's browser does, without showing anything: cookies, redirects, a page's own "go on", forms. */
export interface Browser {
  /** By name, whatever host set them: all of a test live on 127.0.0.1, and cookies know no ports. */
  readonly cookies: Map<string, string>
  /** One request, no redirect followed. */
  once(url: string, init?: RequestInit): Promise<Page>
  /** Redirects and refreshes followed, at most ten. `until`: a URL that begins so is where it stops, unasked. */
  open(url: string, until?: string): Promise<Page>
  /** Sends the form of this page whose fields are these, as a browser does; not followed. */
  submit(page: Page, which?: { readonly [field: string]: string }): Promise<Page>
}

export interface Page {
  readonly url: string
  readonly status: number
  readonly headers: Headers
  readonly text: string
  /** Where it sends the browser: its Location or its refresh; null where it stays. */
  readonly next: string | null
}

export function browser(): Browser {
  const cookies = new Map<string, string>()
  /** Cookies with SameSite=Strict: on a way that another site began they stay behind, as in a browser. */
  const strict = new Set<string>()
  const once = async (url: string, init: RequestInit = {}, isOfAnother = false): Promise<Page> => {
    const sent = [...cookies].filter(([name]) => !(isOfAnother && strict.has(name)))
    const cookie = sent.map(([name, value]) => `${name}=${value}`).join('; ')
    const headers = { ...(cookie === '' ? {} : { cookie }), ...(init.headers as { [name: string]: string }) }
    const answer = await fetch(url, { ...init, redirect: 'manual', headers })
    for (const line of answer.headers.getSetCookie()) {
      const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(line) ?? []
      if (value === '' || /; Max-Age=0\b/.test(line)) cookies.delete(name)
      else cookies.set(name, value)
      if (/; SameSite=Strict\b/i.test(line)) strict.add(name)
    }
    const text = await answer.text()
    const refresh = /<meta http-equiv="refresh" content="0;url=([^"]*)"/.exec(text)?.[1]
    const to = answer.headers.get('location') ?? (refresh === undefined ? null : unescaped(refresh))
    const { status } = answer
    return { url, status, headers: answer.headers, text, next: to === null ? null : new URL(to, url).href }
  }
  return {
    cookies,
    once: (url, init) => once(url, init),
    async open(url, until) {
      let page = await once(url)
      let isOfAnother = false
      for (let hops = 0; page.next !== null && hops < 10; hops++) {
        if (until !== undefined && page.next.startsWith(until)) return page
        // A page that goes on by itself begins anew; a redirect stays whose it was. Ports stand for sites here.
        const isRedirect = page.headers.get('location') !== null
        const crosses = new URL(page.next).origin !== new URL(page.url).origin
        isOfAnother = crosses || (isRedirect && isOfAnother)
        page = await once(page.next, {}, isOfAnother)
      }
      return page
    },
    async submit(page, which = {}) {
      const form = formsOf(page.text).find(({ fields }) =>
        Object.entries(which).every(([name, value]) => fields.get(name) === value),
      )
      if (form === undefined) throw new Error(`no such form: ${page.status} ${page.text}`)
      const { origin } = new URL(page.url)
      return once(new URL(form.action, page.url).href, {
        method: 'POST',
        headers: { origin, 'content-type': 'application/x-www-form-urlencoded' },
        body: form.fields.toString(),
      })
    },
  }
}

function formsOf(text: string): { action: string; fields: URLSearchParams }[] {
  return [...text.matchAll(/<form[^>]*method="post"[^>]*action="([^"]*)"[^>]*>(.*?)<\/form>/gs)].map(
    ([, action = '', inner = '']) => {
      const fields = [...inner.matchAll(/<input[^>]*name="([^"]*)"[^>]*value="([^"]*)"/g)]
      const pairs = fields.map(([, name = '', value = '']): [string, string] => [unescaped(name), unescaped(value)])
      return { action: unescaped(action), fields: new URLSearchParams(pairs) }
    },
  )
}

function unescaped(text: string): string {
  return text
    .replaceAll(/&#(\d+);/g, (_, code) => String.fromCodePoint(Number(code)))
    .replaceAll(/&(amp|lt|gt|quot);/g, (_, name: string) => ENTITIES[name] ?? '')
}

const ENTITIES: { readonly [name: string]: string } = { amp: '&', lt: '<', gt: '>', quot: '"' }
