import { readFileSync } from 'node:fs'
import t from 'tap'
import type { Finding } from '../../src/api/report.ts'
import { readManifest } from '../../src/sources/manifests/manifest-reader.ts'

/**
 * validation-vectors.txt is a recording of a kube-apiserver v1.34.1 on 81 objects;
 * validation-golden.txt are the words of its validation packages, run on many more. What they
 * refuse, podfs refuses, at the same field and in the same words where those are not about
 * Go's JSON; what they warn of, podfs warns of. lifecycle.stopSignal (C209) is as with its feature
 * gate, without which the API server forgets it. What v1.34 forgets and v1.36 does not is as in
 * v1.36: hostnameOverride, fileKeyRef, and a container's restartPolicy and restartPolicyRules.
 */
/** Go quotes a letter of the Secret here; podfs never does. */
const quoted = /(redacted>": )invalid character '.*$/
const notJson = '$1invalid character: this is not JSON'

for (const file of ['validation-vectors.txt', 'validation-golden.txt']) {
  const text = readFileSync(new URL(file, import.meta.url), 'utf8')
  for (const part of text.split(/^=== /m).slice(1)) {
    const [, name = '', yaml = '', code, words = ''] =
      /^(\S+)\n([\s\S]*?)\n--- rc (\d)\n([\s\S]*)$/.exec(part) ?? []
    // The recording has only the beginning of its value; it has a test of its own below.
    if (name === 'sec-toolarge') continue
    t.test(name, async t => {
      const { findings } = readManifest(yaml, 'f.yaml', {
        namespace: 'default',
      })
      const told = (treatment: Finding['treatment']) =>
        findings.filter(finding => finding.treatment === treatment)
      const refused = told('rejected')
      t.equal(refused.length > 0, code !== '0', 'verdict')
      const invalid =
        /^The \w+ (?:"(?:[^"\\]|\\.)*") is invalid: ([\s\S]*)$/.exec(words)?.[1]
      if (invalid !== undefined) {
        t.same(
          refused.map(withPath).sort(),
          invalid
            .split('\n')
            .map(line => line.replace(/^\* /, '').replace(quoted, notJson))
            .filter(line => line !== '')
            .sort(),
          'path and words',
        )
      }
      const warnings = [...words.matchAll(/^Warning: (.*)$/gm)].map(
        match => match[1] ?? '',
      )
      t.same(
        told('warning')
          // kubectl, which takes the last one without a word, has sent no other.
          .filter(({ message }) => !message.startsWith('duplicate field'))
          .map(finding =>
            warnings.includes(finding.message)
              ? finding.message
              : withPath(finding),
          )
          .sort(),
        warnings.sort(),
        'warnings',
      )
    })
  }
}

function withPath({ fieldPath, message }: Finding): string {
  return `${fieldPath ?? ''}: ${message}`
}

t.test('a Secret of more than 1 MiB (K-size)', async t => {
  const yaml = `apiVersion: v1
kind: Secret
metadata: {name: c}
stringData: {a: ${'x'.repeat(1_048_577)}}
`
  const { findings } = readManifest(yaml, 'f.yaml', { namespace: 'default' })
  t.same(findings.map(withPath), [
    'data: Too long: may not be more than 1048576 bytes',
  ])
})
