import { readFileSync } from 'node:fs'
import t from 'tap'
import { readManifest } from '../../src/sources/manifest-reader.ts'

/**
 * A recording of a kube-apiserver v1.34.1 on 81 objects: what it refuses, podfs refuses, in
 * the same words where those are not about Go's JSON.
 */
const recording = readFileSync(
  new URL('validation-vectors.txt', import.meta.url),
  'utf8',
)

/** Rules about fields that podfs ignores; they come with what makes podfs do them. */
const notYet = new Set([
  'ports-hostnet',
  'hook-http-noport',
  'probe-none',
  'probe-neg',
  'probe-portname',
  'priv-noesc',
  'seccomp',
  'nodesel',
  'readinessgate',
])

for (const part of recording.split(/^=== /m).slice(1)) {
  const [, name = '', yaml = '', code, words = ''] =
    /^(\S+)\n([\s\S]*?)\n--- rc (\d)\n([\s\S]*)$/.exec(part) ?? []
  // The recording has only the beginning of its value.
  if (name === 'sec-toolarge') continue
  const { findings } = readManifest(yaml, 'f.yaml', { namespace: 'default' })
  const refused = findings.filter(finding => finding.treatment === 'rejected')
  if (notYet.has(name)) {
    t.same(refused, [], `${name}: take it off the list`)
    continue
  }
  t.equal(refused.length > 0, code !== '0', `${name}: verdict`)
  const invalid = /^The \w+ "[^"]*" is invalid: ([\s\S]*)$/.exec(words)?.[1]
  if (invalid === undefined) continue
  t.same(
    refused.map(finding => `${finding.fieldPath}: ${finding.message}`).sort(),
    invalid
      .split('\n')
      .map(line => line.replace(/^\* /, ''))
      .filter(line => line !== '')
      .sort(),
    `${name}: path and words`,
  )
}
