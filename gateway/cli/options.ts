import { Option, type Command } from 'commander'

/** `--json` and the address of a running gateway, on every verb that asks one. */
export function adminOptions(command: Command): Command {
  return command
    .addOption(
      new Option('--admin-url <url>', 'the gateway’s listener for people')
        .env('KEYSTAY_ADMIN_URL')
        .default('http://127.0.0.1:8788'),
    )
    .option('--json', 'one JSON value instead of text')
}

function agentOptions(command: Command): Command {
  return command.addOption(
    new Option('--url <url>', 'the gateway’s listener for agents').env('KEYSTAY_URL').default('http://127.0.0.1:8787'),
  )
}

/** For verbs of people. */
export function personOptions(command: Command): Command {
  return adminOptions(command)
    .option('--as <account>', 'sign in as this account of the demo (gateways in --dev only)')
    .option('--token-file <file>', 'a file with your bearer JWT; or set KEYSTAY_PERSON_TOKEN')
}

/** For verbs that act as an agent does. */
export function workloadOptions(command: Command): Command {
  return agentOptions(adminOptions(command))
    .requiredOption('--role <role>', 'the role to hold')
    .option('--as <account>', 'the demo’s account to act as (gateways in --dev only)')
    .option('--token-file <file>', 'a file with the workload’s JWT')
    .option('--device', 'ask a person: prints where to go and what to type, and waits')
}
