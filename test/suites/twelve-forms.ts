/** Every form in which a byte string is likely to travel. */
export function twelveForms(value: string): readonly string[] {
  const base64 = (text: string): string => Buffer.from(text).toString('base64')
  return [
    value,
    base64(value).replace(/=+$/, ''),
    Buffer.from(value).toString('base64url'),
    base64(`x${value}`).slice(2, -4),
    base64(`xx${value}`).slice(4, -4),
    base64(`broker:${value}`).replace(/=+$/, ''),
    Buffer.from(value).toString('hex'),
    Buffer.from(value).toString('hex').toUpperCase(),
    encodeURIComponent(value),
    encodeURIComponent(value).toLowerCase(),
    [...Buffer.from(value)].map((byte) => `%${byte.toString(16).padStart(2, '0')}`).join(''),
    value.replaceAll('/', '\\/'),
  ]
}
