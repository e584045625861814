import t from 'tap'
import { needsRoot } from '../process/sandbox.ts'
import {
  container,
  list,
  object,
  writer,
  type Json,
} from '../helpers/conformance-pod.ts'
import { podfs } from '../helpers/podfs.ts'
import { runPods } from '../helpers/seen-pods.ts'

/*
 * What a Pod's containers find in their environment, in one run of several Pods (C189 to C191);
 * and what is refused before it runs (C192 to C194).
 */

const override = 'override.host.example'
const names = 'hostname; hostname -f; cat /etc/hostname; echo "$HOSTNAME"'

/** What each Pod prints, line by line. */
const pods: readonly (readonly [
  title: string,
  name: string,
  lines: readonly string[],
  spec: Json,
])[] = [
  [
    'C189: hostnameOverride',
    'c189',
    [override, override, override, override],
    { hostnameOverride: override, containers: [container('c', names)] },
  ],
  [
    'C190 C191: it wins over hostname and subdomain',
    'c190',
    [override, override, override, override],
    {
      hostnameOverride: override,
      hostname: 'other',
      subdomain: 'sub',
      containers: [container('c', names)],
    },
  ],
]

t.test('the environment', { skip: needsRoot }, async t => {
  const directory = t.testdir()
  const write = writer(directory)
  for (const [, name, , spec] of pods)
    await write(
      `${name}.json`,
      object.pod({ name }, { automountServiceAccountToken: false, ...spec }),
    )
  const { run, over } = await runPods(t, directory)
  /** What a container has printed. */
  const output = (name: string): string[] =>
    [...run.stdout().matchAll(/^(\S+) +\| (.*)$/gm)]
      .filter(([, of]) => of === name)
      .map(([, , line = '']) => line)
  for (const [title, name, lines] of pods)
    await t.test(title, async t => {
      t.equal((await over(name)).phase, 'Succeeded')
      t.same(output(`${name}/c`), lines)
    })
})

const label =
  "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character"

/** What is refused, and in which words. */
const refused: readonly (readonly [
  title: string,
  words: string,
  spec: Json,
])[] = [
  [
    'C192: hostnameOverride with setHostnameAsFQDN',
    'spec.hostnameOverride: Forbidden: may not be specified when setHostnameAsFQDN is true',
    { hostnameOverride: override, setHostnameAsFQDN: true },
  ],
  [
    'C193: hostnameOverride with hostNetwork',
    'spec.hostnameOverride: Forbidden: may not be specified when hostNetwork is true',
    { hostnameOverride: override, hostNetwork: true },
  ],
  [
    'C194: a hostnameOverride that is no subdomain',
    `spec.hostnameOverride: Invalid value: "Not_RFC1123": ${label}`,
    { hostnameOverride: 'Not_RFC1123' },
  ],
]

t.test('what is refused', async t => {
  const items = refused.map(([, , spec], i) =>
    object.pod(
      { name: `p${i}` },
      { containers: [container('c', '')], ...spec },
    ),
  )
  const { code, stdout } = await podfs(t, ['validate', '-f', '-'], {
    input: JSON.stringify(list(items)),
  })
  t.equal(code, 1)
  for (const [i, [title, words]] of refused.entries()) {
    const told = stdout
      .split('\n')
      .filter(line => line.startsWith('error: '))
      .flatMap(line => line.split(`Pod default/p${i}: `).slice(1))
      .map(words => words.replace(/ \(e\.g\. .*/, ''))
    t.same(told, [words], title)
  }
})
