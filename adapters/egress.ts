import { lookup as systemLookup } from 'node:dns'
import type { LookupAddress } from 'node:dns'
import { isIP } from 'node:net'
import ipaddr from 'ipaddr.js'

/** As `dns.lookup` with `all: true`; a test may bring its own. */
export type Lookup = (
  hostname: string,
  options: { readonly all: true; readonly verbatim: true },
  callback: (error: NodeJS.ErrnoException | null, addresses: LookupAddress[]) => void,
) => void

/** The shape that `net.connect` and `tls.connect` ask for: one address, or all of them. */
type SocketLookup = (
  hostname: string,
  options: { readonly all?: boolean },
  callback: (error: Error | null, address: string | LookupAddress[], family?: number) => void,
) => void

/** The address of a backend is not one that may be called. Nothing was sent. */
export class EgressRefused extends Error {
  override readonly name = 'EgressRefused'
  readonly code = 'EGRESS_REFUSED'
}

/**
 * Why an address may not be called, or null if it may. What is not plainly public unicast is refused: a list of what is
 * bad would miss the range that is reserved tomorrow. `isPrivate` (backends.yaml: `private: true`) opens loopback,
 * private, shared, link-local and unique-local addresses, and nothing else; addresses that cloud machines ask for their
 * own credentials stay closed.
 *
 * @param address as the resolver gave it: dotted IPv4, or IPv6 with or without a zone
 */
export function refusedAddress(address: string, isPrivate: boolean): string | null {
  // ipaddr.js also reads 0x7f.1 and 017700000001; a resolver never answers so, and connect() might read it otherwise
  if (isIP(address) === 0) return 'not an address'
  let parsed = ipaddr.parse(normalForm(address))
  let kind: string = parsed.range()
  if (kind === 'ipv4Mapped' || kind === 'rfc6052') {
    // the IPv4 address inside is where the packet goes
    if (!isPrivate) return NAMES[kind] ?? kind
    parsed = new ipaddr.IPv4(parsed.toByteArray().slice(12))
    kind = parsed.range()
  }
  if (METADATA.has(parsed.toNormalizedString())) return 'a metadata address'
  // RFC 4291, section 2.4: global unicast is 2000::/3 today; ::127.0.0.1 and its like are not
  if (kind === 'unicast' && parsed instanceof ipaddr.IPv6 && ((parsed.parts[0] ?? 0) & 0xe000) !== 0x2000) {
    kind = 'reserved'
  }
  if (kind === 'unicast' || (isPrivate && OPENED_BY_PRIVATE.has(kind))) return null
  return NAMES[kind] ?? 'a reserved address'
}

// without zone, and in hexadecimal: ipaddr.js takes ::127.0.0.1 for ::ffff:127.0.0.1, the kernel does not
function normalForm(address: string): string {
  if (isIP(address) === 4) return address
  return URL.parse(`http://[${address.replace(/%.*$/, '')}]`)?.hostname.slice(1, -1) ?? '::'
}

/**
 * A lookup for `connect()` that answers only with addresses that were checked, so that what is checked is what is called
 * (no second resolution in between). One bad address among good ones refuses the name: a mixed answer is how rebinding
 * looks.
 */
export function checkedLookup(isPrivate: boolean, lookup: Lookup = systemLookups): SocketLookup {
  return (hostname, options, callback) =>
    lookup(hostname, { all: true, verbatim: true }, (error, addresses) => {
      if (error) return callback(error, [])
      const [first] = addresses
      if (!first) return callback(new EgressRefused('the name has no address'), [])
      for (const { address } of addresses) {
        const refused = refusedAddress(address, isPrivate)
        if (refused !== null) return callback(new EgressRefused(refusal(refused)), [])
      }
      if (options.all === true) return callback(null, addresses)
      callback(null, first.address, first.family)
    })
}

/**
 * Who asks for a name that is being looked up already shares the answer. The system's resolver takes one of the process's
 * few threads for each lookup: a name server that hangs for one backend would take them all, from every other backend and
 * from the disk.
 */
export function sharedLookup(lookup: Lookup): Lookup {
  const underway = new Map<string, Parameters<Lookup>[2][]>()
  return (hostname, options, callback) => {
    const others = underway.get(hostname)
    if (others !== undefined) return void others.push(callback)
    const all = [callback]
    underway.set(hostname, all)
    lookup(hostname, options, (error, addresses) => {
      underway.delete(hostname)
      for (const told of all) told(error, addresses)
    })
  }
}

const systemLookups = sharedLookup(systemLookup)

/** For a host that is an address itself (`connect()` asks no lookup for those): the refusal, or null. */
export function refusedLiteral(hostname: string, isPrivate: boolean): EgressRefused | null {
  const bare = hostname.replace(/^\[(.*)\]$/, '$1')
  const refused = isIP(bare) === 0 ? null : refusedAddress(bare, isPrivate)
  return refused === null ? null : new EgressRefused(refusal(refused))
}

// names the kind only: the address is a matter between the gateway and its operator
function refusal(kind: string): string {
  return `the backend's address is ${kind}, which may not be called`
}

const OPENED_BY_PRIVATE = new Set(['loopback', 'private', 'linkLocal', 'uniqueLocal', 'carrierGradeNat'])

/** Where machines in a cloud are told their own credentials. */
const METADATA = new Set([
  '169.254.169.254', // AWS, Google, Azure and others
  'fd00:ec2:0:0:0:0:0:254', // AWS over IPv6
  '169.254.170.2', // containers at AWS
  '169.254.170.23',
  'fd00:ec2:0:0:0:0:0:23',
  '100.100.100.200', // Alibaba
  '168.63.129.16', // Azure, in what looks like public space
])

const NAMES: { readonly [range: string]: string } = {
  unspecified: 'unspecified (0.0.0.0/8 or ::)',
  broadcast: 'a broadcast address',
  multicast: 'a multicast address',
  linkLocal: 'link-local',
  loopback: 'loopback',
  carrierGradeNat: 'in the shared address space',
  private: 'private',
  uniqueLocal: 'unique-local',
  ipv4Mapped: 'an IPv4 address written as IPv6',
  rfc6052: 'an IPv4 address behind NAT64',
  '6to4': 'a 6to4 tunnel',
  teredo: 'a Teredo tunnel',
}
