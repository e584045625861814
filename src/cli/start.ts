import { enterOwnNamespace } from '../session/own-namespace.ts'

// First: what is loaded and opened before is lost in the exec.
enterOwnNamespace(process.argv, process.env).then(
  () => import('./main.ts'),
  (error: unknown) => {
    throw error
  },
)
