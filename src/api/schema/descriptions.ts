// Stryker disable ObjectLiteral,StringLiteral: a test would repeat it
/**
 * What a field is for, by `Struct.field`, in a sentence or two of our own. Only `podfs explain`
 * and docs/fields.md read them, so that nothing else has to load them.
 */
export const descriptions: Readonly<Record<string, string>> = {
  Pod: 'Containers that run together on one machine and share its volumes.',
  Secret:
    'Data that is not to be seen: its values are never logged, and never on a disk.',
  ConfigMap:
    'Configuration data: a volume or the environment of a container can hold it.',
  ClusterTrustBundle:
    'Certificates of authorities, for the whole cluster: a projected volume can hold them.',
  'ClusterTrustBundle.spec': 'The certificates, and whose they are.',
  'ClusterTrustBundleSpec.signerName':
    'The signer for which the certificates vouch, such as example.com/mesh; the name of the bundle then begins with example.com:mesh:.',
  'ClusterTrustBundleSpec.trustBundle':
    'Certificates of authorities in PEM, each once, with nothing in their blocks but base64.',
  'ClusterTrustBundleProjection.name':
    'The one bundle whose certificates the file has.',
  'ClusterTrustBundleProjection.signerName':
    'In place of a name: the certificates of all bundles of this signer that labelSelector matches, each once.',
  'ClusterTrustBundleProjection.labelSelector':
    'Which bundles of the signer. Absent it matches none, empty ({}) all.',
  'ClusterTrustBundleProjection.optional':
    'An empty file instead of a volume that waits, while there is no such bundle.',
  'ClusterTrustBundleProjection.path': 'The file below the root of the volume.',
  'Pod.metadata': 'Name, namespace, labels and annotations of the Pod.',
  'Pod.spec': 'What is to run, and how.',
  'Secret.type':
    'What the Secret holds. The types of Kubernetes require certain keys: kubernetes.io/tls needs tls.crt and tls.key.',
  'Secret.data': 'Keys and values, each value in base64.',
  'Secret.stringData':
    'Keys and values as plain text; a key here wins over the same key in data.',
  'Secret.immutable': 'The data may not change any more.',
  'ConfigMap.data': 'Keys and values as text.',
  'ConfigMap.binaryData': 'Keys and values that are not text, in base64.',
  'ConfigMap.immutable': 'The data may not change any more.',
  'ObjectMeta.name':
    'The name of the object, unique in its namespace among objects of its kind.',
  'ObjectMeta.namespace':
    'The namespace of the object; -n says it for objects that name none.',
  'ObjectMeta.uid':
    'Made by podfs when the object first appears, unless the manifest gives one.',
  'ObjectMeta.labels':
    'Short keys and values; a downward API volume shows them, live.',
  'ObjectMeta.annotations':
    'Keys and values of any length; a downward API volume shows them, live.',
  'PodSpec.volumes':
    'Directories that containers can mount: ConfigMaps, Secrets, scratch space, directories of the machine.',
  'PodSpec.initContainers':
    'Containers that run to their end, one after the other, before the others start. One with restartPolicy Always is a sidecar: it starts here and runs as long as the Pod.',
  'PodSpec.containers': 'The containers of the Pod; at least one.',
  'PodSpec.ephemeralContainers':
    'Containers that are added to a running Pod to look into it.',
  'PodSpec.restartPolicy':
    'Whether a container that has ended is started again.',
  'PodSpec.terminationGracePeriodSeconds':
    'How long a container may take from SIGTERM to its end before it is killed; preStop counts.',
  'PodSpec.activeDeadlineSeconds':
    'How long the Pod may run before it is ended and counts as failed.',
  'PodSpec.dnsPolicy': 'Where the resolv.conf of the containers comes from.',
  'PodSpec.dnsConfig':
    'Name servers, search domains and options for resolv.conf.',
  'PodSpec.nodeSelector': 'Labels that the node must have.',
  'PodSpec.serviceAccountName':
    'The service account whose tokens a volume can hold.',
  'PodSpec.serviceAccount': 'The old name of serviceAccountName.',
  'PodSpec.automountServiceAccountToken':
    'Whether a token is mounted without being asked for.',
  'PodSpec.nodeName':
    'The node that is to run the Pod; spec.nodeName in the downward API.',
  'PodSpec.hostNetwork':
    "Whether the Pod uses the machine's network and host name.",
  'PodSpec.hostPID': "Whether containers see the machine's processes.",
  'PodSpec.hostIPC': "Whether containers share the machine's IPC.",
  'PodSpec.shareProcessNamespace':
    'Whether the containers see one another as processes.',
  'PodSpec.securityContext': 'Users, groups and limits for all containers.',
  'PodSpec.imagePullSecrets': 'Secrets with which images are pulled.',
  'PodSpec.hostname': "The Pod's host name, if not its name.",
  'PodSpec.subdomain':
    'Makes the full name HOSTNAME.SUBDOMAIN.NAMESPACE.svc.cluster.local.',
  'PodSpec.setHostnameAsFQDN': 'Whether hostname gives the full name.',
  'PodSpec.hostnameOverride': 'A host name that wins over everything else.',
  'PodSpec.affinity': 'Which nodes and which neighbours the Pod likes.',
  'PodSpec.schedulerName': 'Who chooses the node.',
  'PodSpec.tolerations': 'Taints of a node that the Pod puts up with.',
  'PodSpec.topologySpreadConstraints':
    'How Pods are spread over nodes and zones.',
  'PodSpec.hostAliases': 'Lines for /etc/hosts.',
  'PodSpec.priorityClassName': 'The class whose priority the Pod has.',
  'PodSpec.priority': 'Who is scheduled first.',
  'PodSpec.preemptionPolicy':
    'Whether Pods of lower priority are evicted for this one.',
  'PodSpec.readinessGates':
    'Conditions that must be true before the Pod counts as ready.',
  'PodSpec.schedulingGates':
    'Names that must be taken off the list before the Pod is scheduled.',
  'PodSpec.runtimeClassName': 'Which container runtime is used.',
  'PodSpec.enableServiceLinks': 'Whether Services show in the environment.',
  'PodSpec.overhead': 'Resources that the Pod itself needs.',
  'PodSpec.os': 'The operating system of the containers.',
  'PodSpec.hostUsers': "Whether the Pod uses the machine's user namespace.",
  'PodSpec.resourceClaims': 'Devices that the containers may use.',
  'PodSpec.resources': 'Limits and requests of the Pod as a whole.',
  'HostAlias.ip': 'The address of the line.',
  'HostAlias.hostnames': 'The names for the address.',
  'Container.name':
    'The name of the container, unique in its Pod; the prefix of its lines of output.',
  'Container.image':
    'The image; podfs runs a program of this machine in its place (--image, or images in podfs.yaml, says which).',
  'Container.command':
    "The program and its first arguments; replaces the image's entrypoint.",
  'Container.args': "Arguments; they replace the image's. $(VAR) is expanded.",
  'Container.workingDir': 'The directory in which the program starts.',
  'Container.ports':
    'Ports on which the program listens. A remark: nothing is opened or closed by it.',
  'Container.env':
    'Variables of the environment, in order: a later one can use $(EARLIER).',
  'Container.envFrom': 'ConfigMaps and Secrets whose keys become variables.',
  'Container.resources': 'Limits and requests for CPU and memory.',
  'Container.resizePolicy': 'What a change of the limits does.',
  'Container.restartPolicy':
    "When it is started again, instead of the Pod's policy; Always makes an init container a sidecar.",
  'Container.restartPolicyRules':
    'Exit codes with which it, or all containers, are started again; restartPolicy has to stand beside them.',
  'Container.volumeMounts':
    'Where the volumes of the Pod appear in the container.',
  'Container.volumeDevices': 'Block devices in the container.',
  'Container.livenessProbe': 'A check; a container that fails it is restarted.',
  'Container.readinessProbe':
    'A check; a container that fails it is not ready.',
  'Container.startupProbe': 'A check before the other probes begin.',
  'Container.lifecycle':
    'Hooks: what runs right after the start and right before the end.',
  'Container.terminationMessagePath':
    'The file whose content is the last word of the container.',
  'Container.terminationMessagePolicy': 'Where the last word comes from.',
  'Container.imagePullPolicy': 'When the image is pulled.',
  'Container.securityContext': 'User, group and limits of this container.',
  'Container.stdin': 'Whether the container keeps its standard input open.',
  'Container.stdinOnce': 'Whether standard input ends after the first attach.',
  'Container.tty': 'Whether the container has a terminal.',
  'ContainerPort.name': 'A name for the port; probes can use it.',
  'ContainerPort.containerPort': 'The port on which the program listens.',
  'ContainerPort.protocol': 'TCP, UDP or SCTP.',
  'ContainerPort.hostPort': 'A port of the machine that leads to it.',
  'ContainerPort.hostIP': 'The address for hostPort.',
  'EnvVar.name': "The variable's name.",
  'EnvVar.value': 'Its value; $(OTHER) is expanded, $$(OTHER) is not.',
  'EnvVar.valueFrom': 'Where the value comes from, instead of value.',
  'EnvVarSource.fieldRef':
    'A field of the Pod, such as metadata.name or status.podIP.',
  'EnvVarSource.resourceFieldRef': 'A limit or request of the container.',
  'EnvVarSource.configMapKeyRef': 'A key of a ConfigMap.',
  'EnvVarSource.secretKeyRef': 'A key of a Secret.',
  'EnvVarSource.fileKeyRef': 'A variable of a file in an emptyDir.',
  'EnvFromSource.prefix': 'What is put before each key.',
  'EnvFromSource.configMapRef': 'All keys of this ConfigMap.',
  'EnvFromSource.secretRef': 'All keys of this Secret.',
  'ResourceRequirements.limits': 'The most that may be used.',
  'ResourceRequirements.requests':
    'What is reserved; by default what limits says.',
  'ResourceRequirements.claims': 'Names of spec.resourceClaims.',
  'VolumeMount.name': 'A name of spec.volumes.',
  'VolumeMount.mountPath': 'The path in the container.',
  'VolumeMount.readOnly': 'Whether the container may only read.',
  'VolumeMount.subPath':
    'A file or directory of the volume, instead of its root. It is not updated any more.',
  'VolumeMount.subPathExpr': 'subPath with $(VAR) expanded.',
  'VolumeMount.mountPropagation': 'Whether later mounts are seen.',
  'VolumeMount.recursiveReadOnly':
    'Whether readOnly holds for mounts below, too.',
  'Volume.name': 'The name that volumeMounts use.',
  'Volume.secret': 'The keys of a Secret as files.',
  'Volume.configMap': 'The keys of a ConfigMap as files.',
  'Volume.downwardAPI': 'Fields of the Pod as files.',
  'Volume.projected': 'Several sources in one directory.',
  'Volume.emptyDir': 'An empty directory that lives as long as the Pod.',
  'Volume.hostPath': 'A file or directory of this machine.',
  'SecretVolumeSource.secretName': 'The name of the Secret.',
  'SecretVolumeSource.items':
    'Which keys, and at which paths; without it, all keys under their own names.',
  'SecretVolumeSource.defaultMode':
    'The mode of the files: 0400 in YAML, 256 in JSON.',
  'SecretVolumeSource.optional':
    'Whether the Secret, and the keys in items, may be missing.',
  'ConfigMapVolumeSource.name': 'The name of the ConfigMap.',
  'ConfigMapVolumeSource.items':
    'Which keys, and at which paths; without it, all keys under their own names.',
  'ConfigMapVolumeSource.defaultMode':
    'The mode of the files: 0644 in YAML, 420 in JSON.',
  'ConfigMapVolumeSource.optional':
    'Whether the ConfigMap, and the keys in items, may be missing.',
  'KeyToPath.key': 'The key.',
  'KeyToPath.path': 'Its path in the volume: relative, and without ..',
  'KeyToPath.mode': 'The mode of this file, instead of defaultMode.',
  'DownwardAPIVolumeSource.items': 'The files.',
  'DownwardAPIVolumeSource.defaultMode': 'The mode of the files.',
  'DownwardAPIVolumeFile.path': 'The path in the volume.',
  'DownwardAPIVolumeFile.fieldRef':
    'A field of the Pod: name, namespace, uid, labels, annotations.',
  'DownwardAPIVolumeFile.resourceFieldRef':
    'A limit or request of a container.',
  'DownwardAPIVolumeFile.mode':
    'The mode of this file, instead of defaultMode.',
  'ObjectFieldSelector.fieldPath': "The field, such as metadata.labels['app'].",
  'ObjectFieldSelector.apiVersion': 'Only v1 exists.',
  'ResourceFieldSelector.containerName': 'The container; required in a volume.',
  'ResourceFieldSelector.resource': 'Such as limits.memory or requests.cpu.',
  'ResourceFieldSelector.divisor':
    'The unit: 1Mi gives memory in mebibytes, 1m gives CPU in thousandths.',
  'ProjectedVolumeSource.sources':
    'The sources; a path may come from one of them only.',
  'ProjectedVolumeSource.defaultMode': 'The mode of the files.',
  'VolumeProjection.secret': 'Keys of a Secret.',
  'VolumeProjection.configMap': 'Keys of a ConfigMap.',
  'VolumeProjection.downwardAPI': 'Fields of the Pod.',
  'VolumeProjection.serviceAccountToken':
    "A token of the Pod's service account; renewed before it expires.",
  'ServiceAccountTokenProjection.audience':
    'Who the token is for; without it, the issuer.',
  'ServiceAccountTokenProjection.expirationSeconds':
    'How long the token is good: at least 600.',
  'ServiceAccountTokenProjection.path': 'The path in the volume.',
  'EmptyDirVolumeSource.medium': 'Memory makes it a tmpfs.',
  'EmptyDirVolumeSource.sizeLimit': 'How much it may hold.',
  'HostPathVolumeSource.path': 'The path on this machine.',
  'HostPathVolumeSource.type': 'What must be there, or is made.',
  'Lifecycle.postStart':
    'Runs right after the container has started; the container is killed if it fails.',
  'Lifecycle.preStop': 'Runs before SIGTERM; the grace period covers both.',
  'Lifecycle.stopSignal': 'The signal instead of SIGTERM.',
  'LifecycleHandler.exec': 'A program in the container.',
  'LifecycleHandler.httpGet': 'A request.',
  'LifecycleHandler.tcpSocket': 'A connection.',
  'LifecycleHandler.sleep': 'A pause.',
  'ExecAction.command': 'The program and its arguments; no shell.',
  'SleepAction.seconds': 'How long; not longer than the grace period.',
  'Probe.exec': 'A program in the container; 0 is success.',
  'Probe.httpGet': 'A request; 200 to 399 is success.',
  'Probe.tcpSocket': 'A connection.',
  'Probe.grpc': 'The gRPC health protocol.',
  'Probe.initialDelaySeconds': 'The wait before the first check.',
  'Probe.timeoutSeconds': 'How long a check may take.',
  'Probe.periodSeconds': 'The time between checks.',
  'Probe.successThreshold':
    'How many successes in a row make it good again; 1 for liveness and startup.',
  'Probe.failureThreshold': 'How many failures in a row make it bad.',
  'Probe.terminationGracePeriodSeconds':
    'The grace period when this probe ends the container.',
  'PodSecurityContext.runAsUser': 'The user id of the processes.',
  'PodSecurityContext.runAsGroup': 'The group id of the processes.',
  'PodSecurityContext.fsGroup':
    'A group that owns the files of volumes, and that every process has.',
  'PodSecurityContext.supplementalGroups': 'More groups for every process.',
  'PodSecurityContext.supplementalGroupsPolicy':
    'Merge: with the groups that the accounts give the user; Strict: without.',
  'PodSecurityContext.fsGroupChangePolicy':
    'When what is in a claim is given to fsGroup: Always or OnRootMismatch.',
  'PodSecurityContext.runAsNonRoot': 'No container may start as root.',
  'PodSecurityContext.sysctls': 'Settings of the kernel, for the Pod alone.',
  'PodSecurityContext.seccompProfile':
    'Which system calls the containers may make.',
  'PodSecurityContext.appArmorProfile': 'What AppArmor lets the containers do.',
  'PodSecurityContext.seLinuxOptions': "SELinux's label of the processes.",
  'PodSecurityContext.seLinuxChangePolicy': 'How volumes are relabelled.',
  'SecurityContext.runAsUser': "The user id, instead of the Pod's.",
  'SecurityContext.runAsGroup': "The group id, instead of the Pod's.",
  'SecurityContext.capabilities':
    "What root may do in the container, on top of a container run-time's default.",
  'SecurityContext.privileged': 'All capabilities, and the devices.',
  'SecurityContext.runAsNonRoot': 'It does not start as root.',
  'SecurityContext.readOnlyRootFilesystem':
    'Nothing can be written but volumes and /dev.',
  'SecurityContext.allowPrivilegeEscalation':
    'false: no setuid program gets more rights.',
  'SecurityContext.procMount': 'Default, or Unmasked: all of /proc.',
  'SecurityContext.seccompProfile': 'Which system calls it may make.',
  'SecurityContext.appArmorProfile': 'What AppArmor lets it do.',
  'SecurityContext.seLinuxOptions': "SELinux's label of its processes.",
  'Capabilities.add': 'Names, with or without CAP_; ALL.',
  'Capabilities.drop': 'Names, with or without CAP_; ALL.',
}
