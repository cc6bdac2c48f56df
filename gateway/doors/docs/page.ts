/** The page at `/docs/`, whole: it never has anything in it that somebody sent. */
export const TEXT = `<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8" />
    <title>Actions and routes · Keystay</title>
    <meta name="viewport" content="width=device-width,initial-scale=1" />
    <meta name="robots" content="noindex" />
    <link rel="stylesheet" href="/docs/swagger-ui.css" />
    <link rel="stylesheet" href="/docs/page.css" />
  </head>
  <body>
    <main>
      <h1>What a role can do</h1>
      <p>
        Each role has a page of its own, so this one asks for a session token (<code>kst_…</code>). It is used for one
        question to this gateway and kept nowhere. Nothing can be sent from here: agents act, this page shows.
      </p>
      <form id="ask" autocomplete="off">
        <label>Session token <input name="token" type="password" autocomplete="off" spellcheck="false" required /></label>
        <button>Show</button>
      </form>
      <p id="says" role="status"></p>
      <noscript><p>The page needs scripts. The same as JSON: <code>GET /openapi.json</code> with the token.</p></noscript>
    </main>
    <div id="shown"></div>
    <script src="/docs/swagger-ui-bundle.js"></script>
    <script src="/docs/page.js"></script>
  </body>
</html>
`

export const STYLE = `body{margin:0;font:1rem/1.5 system-ui,sans-serif}main{max-width:60rem;margin:auto;padding:1.5rem}
h1{font-size:1.4rem}button,input{font:inherit;padding:.4rem .8rem}input{width:24rem;max-width:100%}
`

export const SCRIPT = `'use strict'
const form = document.getElementById('ask')
const says = document.getElementById('says')
form.addEventListener('submit', async (event) => {
  event.preventDefault()
  const token = form.elements.token.value.trim()
  form.reset()
  says.textContent = 'Asking…'
  try {
    const answer = await fetch('/openapi.json', {
      headers: { authorization: 'Bearer ' + token },
      credentials: 'omit',
      cache: 'no-store',
      redirect: 'error',
    })
    const spec = JSON.parse(await answer.text())
    if (!answer.ok) {
      says.textContent = spec.code + ': ' + spec.detail
      return
    }
    says.textContent = ''
    SwaggerUIBundle({
      spec,
      domNode: document.getElementById('shown'),
      presets: [SwaggerUIBundle.presets.apis],
      supportedSubmitMethods: [],
      validatorUrl: null,
      queryConfigEnabled: false,
      deepLinking: false,
      persistAuthorization: false,
    })
  } catch {
    says.textContent = 'The gateway could not be asked.'
  }
})
`
