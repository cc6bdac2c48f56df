import type { Answer } from './ask.ts'

/** What a status means, in words of ours: Vault's own may quote what it was asked. */
export function refusalOf({ status }: Answer): string {
  const means: { readonly [status: number]: string } = {
    400: 'it refuses the request (400)',
    403: 'our token may not do this (403)',
    404: 'it has no such path (404)',
    412: 'it is not up to date yet (412)',
    429: 'it has too many requests (429)',
    503: 'it is sealed or being repaired (503)',
  }
  return `Vault does not give it: ${means[status] ?? `it answered ${status}`}`
}
