# SPDX-License-Identifier: Apache-2.0
# Bash completion for penstock and penstockd.

_penstock()
{
	local cur prev words cword command="" i
	_init_completion || return

	case $prev in
	--socket | --config)
		_filedir
		return
		;;
	--protocol)
		COMPREPLY=($(compgen -W "tcp udp" -- "$cur"))
		return
		;;
	--flags)
		COMPREPLY=($(compgen -W "syn ack fin rst" -- "$cur"))
		return
		;;
	--service | --limit | --client | --length | --confirm) return ;;
	esac

	for ((i = 1; i < cword; i++)); do
		case ${words[i]} in
		--socket) ((i++)) ;;
		-*) ;;
		*)
			command=${words[i]}
			break
			;;
		esac
	done

	case $command in
	"") COMPREPLY=($(compgen -W "check apply confirm rollback diff show explain version --socket --help" -- "$cur")) ;;
	check | diff) [[ $cur == -* ]] && COMPREPLY=($(compgen -W "--socket" -- "$cur")) || _filedir ;;
	apply) [[ $cur == -* ]] && COMPREPLY=($(compgen -W "--dry-run --confirm --socket" -- "$cur")) || _filedir ;;
	confirm) COMPREPLY=($(compgen -W "--socket" -- "$cur")) ;;
	rollback) COMPREPLY=($(compgen -W "--dry-run --confirm --socket" -- "$cur")) ;;
	show)
		if [[ $cur == -* ]]; then
			local options="--json --watch --socket"
			[[ ${words[*]} == *" connections"* ]] && options+=" --service --limit"
			[[ ${words[*]} == *" drops"* ]] && options+=" --service --all"
			COMPREPLY=($(compgen -W "$options" -- "$cur"))
		else
			COMPREPLY=($(compgen -W "services pools backends connections interfaces
				workers drops neighbours config history" -- "$cur"))
		fi
		;;
	explain) COMPREPLY=($(compgen -W "--protocol --client --service --flags --length --json --socket" -- "$cur")) ;;
	version) COMPREPLY=($(compgen -W "--json --socket" -- "$cur")) ;;
	esac
} && complete -F _penstock penstock

_penstockd()
{
	local cur prev words cword
	_init_completion || return

	case $prev in
	--config | --socket | --check) _filedir ;;
	--state) _filedir -d ;;
	*) COMPREPLY=($(compgen -W "--config --socket --state --foreground --check --help --version" -- "$cur")) ;;
	esac
} && complete -F _penstockd penstockd
