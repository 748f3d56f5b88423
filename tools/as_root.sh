# To be sourced: whether packages of the system may be installed with apt-get, and how to
# run a command as root, in the array `as_root`.
may_install() {
    command -v apt-get > /dev/null || return 1
    as_root=(env DEBIAN_FRONTEND=noninteractive)
    [[ $(id -u) == 0 ]] && return
    command -v sudo > /dev/null && sudo -n true 2> /dev/null || return 1
    as_root=(sudo -n "${as_root[@]}")
}
