/**
 * Whoever started podfs as a service and wants to know how it is: systemd, when its unit is of
 * Type=notify. None of these may throw, or take time.
 */
export interface ServiceManager {
  /** Everything that can be published has been; also after each `reloading`. */
  ready(): void
  /** The configuration is about to be read again. */
  reloading(): void
  stopping(): void
  /** One line for a person, such as `12 Pods, 34 volumes`. */
  status(text: string): void
}

/** Nobody wants to know. */
export const noServiceManager: ServiceManager = {
  ready: () => {},
  reloading: () => {},
  stopping: () => {},
  status: () => {},
}
