/**
 * RFC 4180, strictly: every record has as many fields as the first, a quote stands at the begin and end of a field or twice
 * within it, and nothing but CRLF ends a record.
 *
 * @throws Error where the text is none.
 */
export function readCsv(text: string): string[][] {
  const records: string[][] = []
  let at = 0
  while (at < text.length) {
    const record: string[] = []
    for (;;) {
      const quoted = text[at] === '"'
      const found = (quoted ? /"((?:[^"]|"")*)"(,|\r\n)/y : /([^",\r\n]*)(,|\r\n)/y) as RegExp
      found.lastIndex = at
      const [whole, field = '', end] = found.exec(text) ?? []
      if (whole === undefined) throw new Error(`no field at ${at}: ${JSON.stringify(text.slice(at, at + 80))}`)
      record.push(quoted ? field.replaceAll('""', '"') : field)
      at += whole.length
      if (end === '\r\n') break
    }
    records.push(record)
    if (record.length !== records[0]?.length) throw new Error(`${record.length} fields: ${JSON.stringify(record)}`)
  }
  return records
}
