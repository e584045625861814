import t from 'tap'
import { formatFinding, rejectionOf } from '../../src/api/report.ts'
import { makePod, makeTrustBundle } from '../helpers/make-objects.ts'

t.test('what is wrong with an object, or with a field of it', async t => {
  const pod = makePod({ name: 'web' })
  const source = {
    ...pod.source,
    positionOf: (path: string) => ({ path: `f ${path}`, line: 7, column: 3 }),
  }
  const bundle = makeTrustBundle({ name: 'ca', trustBundle: '' })
  const rows = [
    [
      rejectionOf({ ...pod, source }, 'spec.x', 'is wrong'),
      'f spec.x:7:3: Pod default/web: spec.x: is wrong',
    ],
    [
      rejectionOf({ ...pod, source }, undefined, 'is wrong'),
      'f :7:3: Pod default/web: is wrong',
    ],
    [
      rejectionOf({ ...bundle, source }, undefined, 'is wrong'),
      'f :7:3: ClusterTrustBundle ca: is wrong',
    ],
  ] as const
  for (const [finding, line] of rows) {
    t.equal(finding.treatment, 'rejected')
    t.equal(formatFinding(finding), line)
  }
  t.strictSame(
    rows.map(([finding]) => 'fieldPath' in finding),
    [true, false, false],
  )
})
