import { useEffect, useState } from 'react'
import { Time } from './text.tsx'

/** `in 3 h 58 min (16:22:11)`, counted down while it is looked at. Not announced: it would never be quiet. */
export function Until({ at }: { readonly at: string }) {
  const end = Date.parse(at)
  const [now, setNow] = useState(() => Date.now())
  const isNear = end - now < 120_000
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), isNear ? 1000 : 15_000)
    return () => clearInterval(timer)
  }, [isNear])
  return (
    <>
      {left(end - now)} (<Time at={at} />)
    </>
  )
}

function left(ms: number): string {
  const [seconds, minutes, hours] = [Math.floor(ms / 1000), Math.floor(ms / 60_000), Math.floor(ms / 3_600_000)]
  if (seconds <= 0) return 'now'
  if (seconds < 120) return `in ${seconds} s`
  if (hours === 0) return `in ${minutes} min`
  return hours < 48 ? `in ${hours} h ${minutes % 60} min` : `in ${Math.floor(hours / 24)} days`
}
