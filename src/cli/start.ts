import { enterOwnNamespace } from '../session/own-namespace.ts'
import { type Given, whatIsGiven } from './given.ts'

// First: what is loaded and opened before is lost in the exec.
enterIfGiven().then(
  () => import('./main.ts'),
  (error: unknown) => {
    throw error
  },
)

/** What Node cannot hand on as it is, is refused by main.ts. */
async function enterIfGiven(): Promise<void> {
  let given: Given
  try {
    given = whatIsGiven()
  } catch {
    return
  }
  const { argv, env } = process
  await enterOwnNamespace(argv, env, async () =>
    (await import('./serve.ts')).rootOfServe(given, env),
  )
}
