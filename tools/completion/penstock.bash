# SPDX-License-Identifier: Apache-2.0
# Bash completion for penstock and penstockd.

# POOL/ADDRESS:PORT of each backend; readline has taken what stands before the last colon.
_penstock_backends()
{
	local words="" socket="" i
	for ((i = 1; i < COMP_CWORD; i++)); do
		[[ ${COMP_WORDS[i]} == --socket ]] && socket=${COMP_WORDS[i + 1]}
	done
	words=$(penstock ${socket:+--socket "$socket"} show backends --json 2>/dev/null | awk -F'"' '
		$2 == "pool" { pool = $4 }
		$2 == "address" { address = $4 }
		$2 == "port" { port = $3; gsub(/[^0-9]/, "", port)
			if (port == 0) print pool "/" address
			else if (address ~ /:/) print pool "/[" address "]:" port
			else print pool "/" address ":" port }')
	COMPREPLY=($(compgen -W "$words" -- "$cur"))
	type __ltrim_colon_completions &>/dev/null && __ltrim_colon_completions "$cur"
}

_penstock()
{
	local cur prev words cword command="" i
	_init_completion -n : || return

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
	--service | --limit | --client | --length | --confirm | --count | --snaplen) return ;;
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
	"") COMPREPLY=($(compgen -W "check apply confirm rollback diff show explain capture drain enable disable weight top version --socket --help --version" -- "$cur")) ;;
	check | diff) [[ $cur == -* ]] && COMPREPLY=($(compgen -W "--socket" -- "$cur")) || _filedir ;;
	apply) [[ $cur == -* ]] && COMPREPLY=($(compgen -W "--dry-run --confirm --socket" -- "$cur")) || _filedir ;;
	confirm) COMPREPLY=($(compgen -W "--socket" -- "$cur")) ;;
	rollback) COMPREPLY=($(compgen -W "--dry-run --confirm --socket" -- "$cur")) ;;
	show)
		if [[ $cur == -* ]]; then
			local options="--json --watch --socket"
			[[ ${words[*]} == *" connections"* ]] && options+=" --service --limit"
			[[ ${words[*]} == *" clients"* ]] && options+=" --limit"
			[[ ${words[*]} == *" drops"* ]] && options+=" --service --all"
			COMPREPLY=($(compgen -W "$options" -- "$cur"))
		else
			COMPREPLY=($(compgen -W "services pools backends clients connections interfaces
				workers drops neighbours config history listeners tcp http tls" -- "$cur"))
		fi
		;;
	explain) COMPREPLY=($(compgen -W "--protocol --client --service --flags --length --server-name --json --socket" -- "$cur")) ;;
	drain | enable | disable | weight)
		[[ $cur == -* ]] && COMPREPLY=($(compgen -W "--socket" -- "$cur")) || _penstock_backends
		;;
	top) COMPREPLY=($(compgen -W "--socket" -- "$cur")) ;;
	capture) [[ $cur == -* ]] && COMPREPLY=($(compgen -W "--service --client --count --drops --snaplen --socket" -- "$cur")) || _filedir ;;
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
	--manual) COMPREPLY=($(compgen -W "settings metrics drops" -- "$cur")) ;;
	*) COMPREPLY=($(compgen -W "--config --socket --state --foreground --fresh --check --manual --help --version" -- "$cur")) ;;
	esac
} && complete -F _penstockd penstockd
