const HOUR_MS = 3_600_000
const NAME = 'keystay.decided'

/** After so many in an hour nobody reads any more. */
export const TOO_MANY = 30

/** Notes one decision of now, in this browser. */
export function countDecision(): void {
  const times = [...recent(), Date.now()].slice(-200)
  try {
    localStorage.setItem(NAME, times.join(' '))
  } catch {
    // A browser that keeps nothing: the page cannot count either.
  }
}

/** How many decisions of the last hour this browser knows of. */
export function decidedLately(): number {
  return recent().length
}

function recent(): number[] {
  try {
    const times = (localStorage.getItem(NAME) ?? '').split(' ').map(Number)
    return times.filter((at) => at > Date.now() - HOUR_MS)
  } catch {
    return []
  }
}
