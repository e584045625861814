import { enterOwnNamespace } from '../session/own-namespace.ts'
import { whatIsGiven } from './given.ts'

// First: what is loaded and opened before is lost in the exec.
enterIfGiven().then(
  () => import('./main.ts'),
  (error: unknown) => {
    throw error
  },
)

/** What Node cannot hand on as it is, is refused by main.ts. */
async function enterIfGiven(): Promise<void> {
  try {
    whatIsGiven()
  } catch {
    return
  }
  await enterOwnNamespace(process.argv, process.env)
}
