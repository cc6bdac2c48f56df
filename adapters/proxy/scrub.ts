/** Shorter values would be found by chance. */
const LENGTH_MIN = 8
const MARK = Buffer.from('[secret]')
const STAR = 0x2a

/**
 * Takes the credential of an exchange out of what streams back, wherever chunks are cut. Found is the value as it is, in
 * hexadecimal, in base64 and base64url at each of the three alignments, percent-encoded once or twice or as a form's
 * field, escaped as JSON, as JSON within JSON or as HTML would, and with every byte escaped in any of these; not what is
 * transformed otherwise, or escaped in part. What is cut out keeps its length, so that a Content-Length stays true.
 *
 * Of a chunk only what could be the beginning of a form is kept back until the next one: an event that ends with a line
 * end leaves at once.
 */
export class StreamScrub {
  readonly #forms: readonly Buffer[]
  readonly #longest: number
  #held: Buffer = Buffer.alloc(0)

  constructor(hidden: readonly string[]) {
    const texts = new Set(hidden.filter(({ length }) => length >= LENGTH_MIN).flatMap(formsOf))
    this.#forms = [...texts].filter(({ length }) => length >= LENGTH_MIN).map((text) => Buffer.from(text, 'utf8'))
    this.#longest = Math.max(0, ...this.#forms.map(({ length }) => length))
  }

  /** @returns what may leave now; it may be empty. */
  push(chunk: Buffer): Buffer {
    if (this.#forms.length === 0) return chunk
    const data = this.#clean(this.#held.length === 0 ? chunk : Buffer.concat([this.#held, chunk]))
    const end = this.#beginning(data)
    this.#held = data.subarray(end)
    return end === data.length ? data : data.subarray(0, end)
  }

  /** The rest, at the end: what was kept back was no secret after all. */
  flush(): Buffer {
    const rest = this.#held
    this.#held = Buffer.alloc(0)
    return rest
  }

  /** A text that does not stream: a header. */
  whole(text: string): string {
    return this.#clean(Buffer.from(text, 'latin1')).toString('latin1')
  }

  #clean(data: Buffer): Buffer {
    let clean = data
    for (const form of this.#forms) {
      for (let at = data.indexOf(form); at >= 0; at = data.indexOf(form, at + 1)) {
        if (clean === data) clean = Buffer.from(data)
        clean.fill(STAR, at, at + form.length)
        MARK.copy(clean, at)
      }
    }
    return clean
  }

  /** Where a form may have begun that is not whole yet; the length when nowhere. */
  #beginning(data: Buffer): number {
    const from = Math.max(0, data.length - this.#longest + 1)
    let earliest = data.length
    for (const form of this.#forms) {
      for (
        let at = data.indexOf(form[0] ?? 0, from);
        at >= 0 && at < earliest;
        at = data.indexOf(form[0] ?? 0, at + 1)
      ) {
        const length = data.length - at
        if (length < form.length && data.compare(form, 0, length, at) === 0) earliest = at
      }
    }
    return earliest
  }
}

/** No header carries a character beyond ASCII, so a byte of a credential is a character of it. */
function formsOf(value: string): string[] {
  const bytes = Buffer.from(value, 'utf8')
  const each = (write: (hex: string, byte: number) => string): string =>
    [...bytes].map((byte) => write(byte.toString(16).padStart(2, '0'), byte)).join('')
  const json = inJson(value)
  const percent = encodeURIComponent(value.toWellFormed())
  const field = new URLSearchParams([['', value]]).toString().slice(1)
  const html = value.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;')
  const numbers = value.replaceAll(/[&<>"']/g, (one) => `&#${Buffer.from(one)[0]};`)
  const written = [
    percent,
    percent.replaceAll('%20', '+'),
    field,
    field.replaceAll('+', '%20'),
    encodeURIComponent(percent),
    each((hex) => `%${hex.toUpperCase()}`),
  ]
  const forms = [
    value,
    ...[json, inJson(json)].flatMap((text) => [text, text.replaceAll('/', '\\/')]),
    ...written.flatMap((text) => [text, text.replaceAll(/%[0-9A-F]{2}/g, (escape) => escape.toLowerCase())]),
    html,
    html.replaceAll("'", '&#39;'),
    html.replaceAll("'", '&#039;'),
    html.replaceAll("'", '&#x27;'),
    html.replaceAll("'", '&apos;'),
    numbers,
    each((hex) => `\\u00${hex}`),
    each((hex) => `\\u00${hex.toUpperCase()}`),
    each((hex) => `\\x${hex}`),
    each((hex) => `&#x${hex};`),
    each((hex) => `&#x${hex.toUpperCase()};`),
    each((_, byte) => `&#${byte};`),
    bytes.toString('hex'),
    bytes.toString('hex').toUpperCase(),
    ...[0, 1, 2].flatMap((shift) => base64Of(bytes, shift)),
  ]
  // whatever it wrote may stand in a JSON answer, which escapes it once more
  return [...forms, ...forms.map(inJson)]
}

function inJson(text: string): string {
  return JSON.stringify(text).slice(1, -1)
}

/** The characters of base64 that the value alone determines, when so many bytes stand before it in its group of three. */
function base64Of(bytes: Buffer, shift: number): string[] {
  const core = Buffer.concat([Buffer.alloc(shift), bytes])
    .toString('base64')
    .slice(Math.ceil((shift * 8) / 6), Math.floor(((shift + bytes.length) * 8) / 6))
  return [core, core.replaceAll('+', '-').replaceAll('/', '_')]
}
