import t from 'tap'
import { planReload } from '../../src/config/changes.ts'
import { layOver } from '../../src/config/layers.ts'
import { parseSettings } from '../../src/config/parse.ts'

const settingsIn = (text: string) => layOver(parseSettings(text, 'podfs.yaml'))

t.test('what a podfs that runs takes over, and what waits', async t => {
  const cases = [
    { before: '', after: '', applied: [], needRestart: [] },
    {
      before: 'logLevel: info',
      after: '# the same\nlogLevel: info',
      applied: [],
      needRestart: [],
    },
    {
      before: 'logLevel: info\naccess: everybody',
      after:
        'run: all\nimages: [{pattern: a}]\nbackoffScale: 0.5\nsources: {manifests: [k8s]}',
      applied: [
        'logLevel',
        'images',
        'backoffScale',
        'access',
        'run',
        'sources.manifests',
      ],
      needRestart: [],
    },
    {
      before: '',
      after:
        'root: /a\nbackend: dir\nfuse: {answerOpens: true}\nclusterDomain: a.b\nserviceAccountIssuer: https://a\nsources: {namespace: a, secrets: [{directory: a, name: a}]}',
      applied: ['sources.secrets'],
      needRestart: [
        'clusterDomain',
        'serviceAccountIssuer',
        'backend',
        'fuse.answerOpens',
        'root',
        'sources.namespace',
      ],
    },
  ]
  for (const { before, after, ...expected } of cases)
    t.match(planReload(settingsIn(before), settingsIn(after)), expected, after)
})

t.test('what waits for a restart stays, and is named again', async t => {
  const running = settingsIn('root: /a')
  const loaded = settingsIn('root: /b\naccess: everybody')
  const { effective } = planReload(running, loaded)
  t.match(effective.settings, { root: '/a', access: 'everybody' })
  t.match(planReload(effective, loaded), { applied: [], needRestart: ['root'] })
  t.match(planReload(effective, settingsIn('root: /a')), {
    applied: ['access'],
    needRestart: [],
  })
})
