import { createHash, createHmac, pbkdf2, randomBytes } from 'node:crypto'
import { promisify } from 'node:util'

const derive = promisify(pbkdf2)
/** PostgreSQL's own default; the password is 256 random bits, which no number of rounds makes harder to guess. */
const ROUNDS = 4096

/**
 * A password, and what the server is told in its place (RFC 5803): a statement with it may stand in a log, and nobody can
 * log in by what stands there.
 */
export async function newPassword(): Promise<{ readonly password: string; readonly verifier: string }> {
  const password = randomBytes(32).toString('base64url')
  return { password, verifier: await verifierOf(password, randomBytes(16)) }
}

/** `SCRAM-SHA-256$ROUNDS:SALT$StoredKey:ServerKey`, RFC 5802 section 3; an ASCII password is its own SASLprep. */
export async function verifierOf(password: string, salt: Buffer): Promise<string> {
  const salted = await derive(password, salt, ROUNDS, 32, 'sha256')
  const keyed = (text: string): Buffer => createHmac('sha256', salted).update(text).digest()
  const stored = createHash('sha256').update(keyed('Client Key')).digest('base64')
  return `SCRAM-SHA-256$${ROUNDS}:${salt.toString('base64')}$${stored}:${keyed('Server Key').toString('base64')}`
}
