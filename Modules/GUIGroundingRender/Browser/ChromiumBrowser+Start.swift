import Foundation

extension ChromiumBrowser {
  /// The switches of a browser whose pictures depend on the page alone.
  static func arguments(profile: String, network: NetworkAccess) -> [String] {
    var arguments = [
      "--headless=new", "--disable-gpu", "--hide-scrollbars", "--mute-audio", "--no-first-run",
      "--no-default-browser-check", "--disable-extensions", "--disable-background-networking",
      "--disable-component-update", "--disable-sync", "--disable-default-apps",
      "--disable-dev-shm-usage", "--disable-crash-reporter", "--disable-breakpad",
      "--disable-features=Translate,OptimizationHints,MediaRouter", "--block-new-web-contents",
      "--password-store=basic", "--use-mock-keychain", "--lang=en-US",
      "--force-color-profile=srgb", "--force-device-scale-factor=1",
      "--font-render-hinting=none", "--disable-lcd-text", "--allow-file-access-from-files",
      "--user-data-dir=\(profile)", "--remote-debugging-pipe",
    ]
    // Root has no sandbox to give.
    if geteuid() == 0 { arguments.append("--no-sandbox") }
    if network == .blocked {
      // No name is known, and what needs no name goes to a port where nobody listens.
      arguments += [
        "--host-resolver-rules=MAP * ~NOTFOUND", "--proxy-server=socks5://127.0.0.1:9",
        "--proxy-bypass-list=<-loopback>",
        "--force-webrtc-ip-handling-policy=disable_non_proxied_udp",
      ]
    }
    return arguments + ["about:blank"]
  }

  /// The few variables that a browser needs: keys and tokens stay here.
  static func environment(profile: String) -> [String: String] {
    let kept = [
      "PATH", "HOME", "TMPDIR", "XDG_RUNTIME_DIR", "FONTCONFIG_FILE", "FONTCONFIG_PATH",
      "LD_LIBRARY_PATH", "USER", "LOGNAME",
    ]
    let all = ProcessInfo.processInfo.environment
    var environment = all.filter { kept.contains($0.key) }
    environment["TZ"] = "UTC"
    environment["LANG"] = "en_US.UTF-8"
    // Neither the user's settings nor his caches.
    environment["XDG_CONFIG_HOME"] = profile + "/config"
    environment["XDG_CACHE_HOME"] = profile + "/cache"
    environment["DBUS_SESSION_BUS_ADDRESS"] = "disabled:"
    return environment
  }

  private static let profilePrefix = "apus-browser-"

  static func makeProfile(_ path: String) throws(BrowserError) -> String {
    let name = "\(profilePrefix)\(getpid())-\(UUID().uuidString)"
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent(name)
    do {
      try FileManager.default.createDirectory(
        at: folder,
        withIntermediateDirectories: true,
        attributes: [.posixPermissions: 0o700]
      )
    } catch {
      let text = (error as NSError).localizedDescription
      throw .cannotStart(path: path, reason: "no profile: \(text)")
    }
    return folder.path
  }

  /// Removes the profiles of processes that were killed.
  static func removeLeftProfiles() {
    let folder = FileManager.default.temporaryDirectory
    let names = (try? FileManager.default.contentsOfDirectory(atPath: folder.path)) ?? []
    for name in names where name.hasPrefix(profilePrefix) {
      let parts = name.dropFirst(profilePrefix.count).split(separator: "-")
      guard parts.count == 6, let number = pid_t(parts[0]), kill(number, 0) != 0, errno == ESRCH
      else { continue }
      try? FileManager.default.removeItem(at: folder.appendingPathComponent(name))
    }
  }

  /// The last lines of a log, for a message.
  static func endOfLog(_ path: String) -> String {
    guard let file = FileHandle(forReadingAtPath: path) else { return "" }
    defer { try? file.close() }
    let length = (try? file.seekToEnd()) ?? 0
    try? file.seek(toOffset: length > 600 ? length - 600 : 0)
    let text = String(decoding: (try? file.readToEnd()) ?? Data(), as: UTF8.self)
    return text.split(whereSeparator: \.isNewline).suffix(3).joined(separator: " / ")
  }
}
