import t from 'tap'
import type { Pod } from '../../src/api/types.ts'
import { makeContainer, makePod } from '../helpers/make-objects.ts'
import { podName, project, projected, tokenSource } from '../helpers/project.ts'

/*
 * C82 and the kubelet's FsUserFrom: whose the token is.
 */

const user = (runAsUser?: number) =>
  makeContainer(
    runAsUser === undefined ? {} : { securityContext: { runAsUser } },
  )
const rows: readonly {
  name: string
  spec: Partial<Pod['spec']>
  token: string
}[] = [
  { name: 'nobody is named', spec: {}, token: '0644' },
  {
    name: 'runAsUser of the Pod',
    spec: { securityContext: { runAsUser: 1000 } },
    token: '0600 uid=1000',
  },
  {
    name: 'runAsUser 0 counts',
    spec: { securityContext: { runAsUser: 0 } },
    token: '0600 uid=0',
  },
  {
    name: 'fsGroup alone',
    spec: { securityContext: { fsGroup: 10000 } },
    token: '0600',
  },
  {
    name: 'runAsUser and fsGroup',
    spec: { securityContext: { runAsUser: 1000, fsGroup: 10000 } },
    token: '0600 uid=1000',
  },
  {
    name: 'all containers agree',
    spec: { containers: [user(7), user(7)], initContainers: [user(7)] },
    token: '0600 uid=7',
  },
  {
    name: 'a container overrides the Pod',
    spec: {
      securityContext: { runAsUser: 1000 },
      containers: [user(), user(7)],
    },
    token: '0644',
  },
  {
    name: 'an init container names nobody',
    spec: { containers: [user(7)], initContainers: [user()] },
    token: '0644',
  },
  {
    name: 'all containers override the Pod alike',
    spec: { securityContext: { runAsUser: 1 }, containers: [user(7)] },
    token: '0600 uid=7',
  },
]

for (const { name, spec, token } of rows)
  t.test(`C82 ${name}`, async t => {
    const result = project(
      projected([
        { serviceAccountToken: tokenSource },
        { downwardAPI: { items: [podName] } },
      ]),
      { pod: makePod({ spec }) },
    )
    if (!result.ok) throw new Error(JSON.stringify(result.errors))
    const modes = [...result.payload].map(([path, { mode, fsUser }]) => {
      const owner = fsUser === undefined ? '' : ` uid=${fsUser}`
      return `${path} 0${mode.toString(8)}${owner}`
    })
    t.strictSame(
      modes,
      [`token ${token}`, 'podname 0644'],
      'only the token has an owner',
    )
  })
