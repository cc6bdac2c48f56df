import { useEffect, useState } from 'react'

/** A yes is not given at once: whoever clicks has had the card before their eyes for so long. */
const LOOK_S = 3

/** Seconds until a card may be approved; begins anew with another card. */
export function useCountdown(card: string): number {
  const [state, setState] = useState({ card, left: LOOK_S })
  if (state.card !== card) setState({ card, left: LOOK_S })
  useEffect(() => {
    const timer = setInterval(() => setState(({ card, left }) => ({ card, left: Math.max(0, left - 1) })), 1000)
    return () => clearInterval(timer)
  }, [card])
  return state.left
}
