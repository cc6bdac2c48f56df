/** Bytes in a policy are written with their unit: `64KB`, `1MB`. A kilobyte has 1,024 of them. */

const UNITS: { readonly [unit: string]: number } = { B: 1, KB: 1024, MB: 1024 ** 2, GB: 1024 ** 3 }

/** The largest that a policy may say. */
export const SIZE_MAX = 16 * 1024 ** 3

/** @returns bytes; null when the text is no size, or one beyond 16 GB. */
export function parseSize(text: string): number | null {
  const [, digits = '', unit = ''] = /^([1-9][0-9]{0,9})(B|KB|MB|GB)$/.exec(text) ?? []
  const bytes = Number(digits) * (UNITS[unit] ?? Number.NaN)
  return Number.isSafeInteger(bytes) && bytes <= SIZE_MAX ? bytes : null
}

/** `1 MB`, `1500 bytes`: as it is told to people. */
export function sizeInWords(bytes: number): string {
  const unit = ['GB', 'MB', 'KB'].find((name) => bytes % (UNITS[name] ?? 1) === 0)
  return unit === undefined ? `${bytes} bytes` : `${bytes / (UNITS[unit] ?? 1)} ${unit}`
}
