import Foundation

/// Errors of Footpost tell what went wrong, and what the user can do, as `localizedDescription`: a
/// sentence in English.
public protocol Explained: LocalizedError {
    func explanation() -> String
}

extension Explained {
    public var errorDescription: String? { explanation() }
}

extension NodeError: Explained {}
extension OpenError: Explained {}
extension DialError: Explained {}
extension ContactError: Explained {}
extension SendError: Explained {}
extension AttachmentError: Explained {}
extension BulletinError: Explained {}
extension IdentityError: Explained {}
extension BackupError: Explained {}
extension LinkError: Explained {}
extension WifiDirectError: Explained {}
