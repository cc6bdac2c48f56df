import { Badge, createTheme, Modal } from '@mantine/core'

/** Mantine's own shades miss WCAG AA on white and on its dark grey: a step darker there, a step lighter here. */
export const theme = createTheme({
  primaryColor: 'indigo',
  respectReducedMotion: true,
  primaryShade: { light: 9, dark: 8 },
  autoContrast: true,
  luminanceThreshold: 0.25,
  defaultRadius: 'sm',
  fontFamily: 'system-ui, sans-serif',
  fontFamilyMonospace: 'ui-monospace, SFMono-Regular, Menlo, monospace',
  components: {
    // The colour is that of the border: as text it would be too pale.
    Badge: Badge.extend({
      defaultProps: { variant: 'outline', tt: 'none' },
      styles: { label: { color: 'var(--mantine-color-text)' } },
    }),
    // What locks the page behind it writes a style without a nonce.
    Modal: Modal.extend({ defaultProps: { lockScroll: false } }),
  },
})
