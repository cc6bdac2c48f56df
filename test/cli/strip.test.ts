import { deepEqual } from 'node:assert/strict'
import { strip } from '../../gateway/cli/run/strip.ts'

describe('an environment without credentials', () => {
  // In a file these are references; in an environment nothing is put in any more.
  for (const [name, value] of [
    ['DB_PASSWORD', '$ecretPassw0rd'],
    ['API_TOKEN', '<hunter2hunter2>'],
    ['PASSWORD', '{{x-real-pw}}'],
    ['AZURE_SEARCH_QUERY_KEY', 'abcdefghijklmnop'],
    ['GIT_URL', 'https://mytoken0123456789@git.example/x'],
    ['DATABASE_URL', 'postgres://app:$Ecretpw12@db.example/app'],
    ['DSN', 'host=db password=$ecret123'],
  ] as const) {
    it(`has no ${name} that is ${value}`, async () => {
      deepEqual((await strip({ [name]: value, LANG: 'C' }, [])).environment, { LANG: 'C' })
    })
  }

  it('keeps what only names the place of a key, and what is empty', async () => {
    const plain = { API_TOKEN: 'op://vault/item', DB_PASSWORD: '', HOME: '/root' }
    deepEqual((await strip(plain, [])).environment, plain)
  })
})
