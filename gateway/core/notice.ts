import type { Amount, JsonObject, SecretRef } from './types.ts'

/** Where people are told: one line of `channels:`. What is secret of it is a ref; the address of Slack and Teams is one. */
export interface Channel {
  readonly name: string
  readonly kind: 'webhook' | 'smtp' | 'slack' | 'teams'
  /** `https://…`, `smtps://HOST:PORT` or `smtp://HOST:PORT`; null where it is the secret. */
  readonly address: string | null
  /** Of a webhook one or two signing secrets, the newest first; else the address or the password. */
  readonly secrets: readonly SecretRef[]
  readonly user: string | null
  readonly from: string | null
  readonly to: readonly string[]
  /** It may be on a loopback, private or link-local address. */
  readonly private: boolean
}

/** What a policy says about notices; absent where it has no channel. */
export interface Notify {
  readonly channels: ReadonlyMap<string, Channel>
  /** For groups and lines that name none. */
  readonly default: readonly string[]
  /** Told at 80 % beside those that were told before. */
  readonly escalate: readonly string[]
  /** Told of calls in doubt; null: the channels of those who settle. */
  readonly needs_human: readonly string[] | null
  /** How long after each try that failed, ms. After the last of them a notice is dead. */
  readonly retry_ms: readonly number[]
}

export type NoticeKind =
  | 'call.held'
  | 'call.held.reminder'
  | 'call.held.escalated'
  | 'call.needs_human'
  | 'call.decided'
  | 'channel.test'

/** What is said of a call: names of the policy, money and times. Nothing of the agent's and nothing of a backend's. */
export interface About {
  readonly call: string
  readonly action: string
  readonly role: string
  readonly amount: Amount | null
  readonly need: readonly { readonly count: number; readonly of: string }[]
  /** ms; null: nobody's answer ends it. */
  readonly expires_at: number | null
}

export interface Decided {
  readonly outcome: 'approved' | 'rejected' | 'expired' | 'cancelled' | 'denied' | 'voided' | 'settled'
  /** Names of people, as their issuer calls them. */
  readonly by: readonly string[]
}

/** One wait for people: a hold under one card, or a call in doubt. It is told of once, whichever process sees it first. */
export interface Wait {
  /** Derived from call and card: the same for whoever sees it. */
  readonly id: string
  readonly call: string
  readonly state: 'held' | 'needs_human'
  readonly card: string | null
  readonly about: About
  readonly over: (Decided & { readonly at: number }) | null
}

/** One thing to say at one channel. `id` is the webhook-id: it stays, however often it is sent. */
export interface Notice {
  readonly id: string
  readonly wait: string
  readonly call: string
  readonly channel: string
  readonly kind: NoticeKind
  /** `over`: not needed any more, and not tried or not known to have come. */
  readonly state: 'waiting' | 'delivered' | 'dead' | 'over'
  readonly made_at: number
  /** When it is tried next, ms. While it is tried: when whoever tries it is given up. */
  readonly due_at: number
  /** It says nothing any more after it. */
  readonly until: number | null
  readonly tries: number
  /** Tries before people had it sent again. */
  readonly tries_before: number
  /** The process that tries it now. */
  readonly owner: string | null
  /** Whoever claimed it before said nothing of it: it may have come, whatever the next try says. */
  readonly unsure?: true
  /** What the last try came to, in our words. */
  readonly said: string | null
  readonly about: About
  readonly decided: Decided | null
}

/** What a courier brings: the same in every form. */
export interface Message {
  readonly id: string
  /** Of the first notice about the same wait at the same channel: mails of one call are one thread. */
  readonly thread: string | null
  readonly type: NoticeKind
  /** ms. */
  readonly at: number
  readonly data: JsonObject
  readonly title: string
  readonly lines: readonly (readonly [label: string, value: string])[]
  /** To the console. */
  readonly link: string
}

/** These calls wait for people; each wait that is not known yet is kept with its notices. */
export interface BeginWaits {
  readonly op: 'wait.begin'
  readonly waits: readonly { readonly wait: Wait; readonly notices: readonly Notice[] }[]
}
/** These calls may wait no longer: who was told is told how it ended. */
export interface EndWaits {
  readonly op: 'wait.end'
  readonly calls: readonly string[]
}
/** Before a notice is sent: of several processes one sends it. What one that died has claimed is due again after a while. */
export interface ClaimNotices {
  readonly op: 'notice.claim'
  readonly notices: readonly Pick<Notice, 'id' | 'call'>[]
  readonly for_ms: number
  /** No other process lives: what another has claimed was left behind. */
  readonly alone: boolean
}
export interface SettleNotice {
  readonly op: 'notice.settle'
  readonly id: string
  readonly call: string
  /** As it was claimed: a try that was given up says nothing any more. */
  readonly tries: number
  /** `again` in so many ms; null: not any more. */
  readonly outcome: { readonly kind: 'delivered' } | { readonly kind: 'failed'; readonly again_ms: number | null }
  readonly said: string
}
/** A person has a dead notice sent again. */
export interface RetryNotice {
  readonly op: 'notice.retry'
  readonly id: string
  readonly call: string
}

export type NoticeOperation = BeginWaits | EndWaits | ClaimNotices | SettleNotice | RetryNotice
export type ResultOfNotice<O extends NoticeOperation> = O extends BeginWaits
  ? { readonly begun: number; readonly dead: readonly Notice[] }
  : O extends EndWaits
    ? { readonly over: number; readonly dead: readonly Notice[] }
    : O extends ClaimNotices
      ? { readonly claimed: readonly Notice[]; readonly dead: readonly Notice[] }
      : O extends SettleNotice
        ? { readonly notice: Notice | null }
        : { readonly retried: 'retried' | 'not_dead' | 'too_late' | 'none'; readonly notice: Notice | null }
