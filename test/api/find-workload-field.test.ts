import t from 'tap'
import { findField } from '../../src/api/schema/find-field.ts'

t.test('the fields of a workload, and of the Pod in its template', async t => {
  t.match(findField('deploy.spec.replicas'), {
    kind: 'Deployment',
    apiVersion: 'apps/v1',
    path: 'deployment.spec.replicas',
    treatment: 'emulated',
  })
  t.match(findField('cronjob.spec.jobTemplate.spec.template.spec.hostname'), {
    apiVersion: 'batch/v1',
    treatment: 'supported',
  })
  t.match(findField('sts.spec.replica'), {
    meant: 'statefulset.spec.replicas',
  })
  t.match(findField('pod.spec.hostname'), { apiVersion: 'v1' })
  t.match(findField('immutable'), {
    message: 'immutable: a field of Secret and ConfigMap',
  })
})
