import { Kbd, Modal, Table } from '@mantine/core'
import { useDisclosure, useHotkeys } from '@mantine/hooks'

const KEYS = [
  ['j / k', 'next, previous'],
  ['enter', 'open'],
  ['a', 'to the approve button of the card'],
  ['r', 'to the reason of a rejection'],
  ['/', 'to the search'],
  ['?', 'this'],
] as const

/** `?` shows what the keyboard does. No key decides anything: it moves to the button that does. */
export function Keys() {
  const [opened, { open, close }] = useDisclosure(false)
  useHotkeys([
    ['shift+?', open],
    ['?', open],
    ['/', () => document.querySelector<HTMLInputElement>('[data-key="search"]')?.focus()],
  ])
  return (
    <Modal opened={opened} onClose={close} title="Keyboard" closeButtonProps={{ 'aria-label': 'Close' }}>
      <Table>
        <Table.Tbody>
          {KEYS.map(([key, does]) => (
            <Table.Tr key={key}>
              <Table.Th scope="row">
                <Kbd>{key}</Kbd>
              </Table.Th>
              <Table.Td>{does}</Table.Td>
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
    </Modal>
  )
}
