/*! With Preact 10.29.8 (MIT), htm 3.1.1 (Apache-2.0), both by Jason Miller, and uPlot 1.6.32 (MIT) by Leon Sorokin; licences: functions/dashboard/web/vendor/LICENSES.md */
const $parts = {"overview.js": ["chart.js", "overview.js"], "users.js": ["csv.js", "users.js"], "transactions.js": ["filters.js", "words.js", "transactions.js"], "payments.js": ["csv.js", "filters.js", "words.js", "decision.js", "balance.js", "paying.js", "payments.js"], "requests.js": ["csv.js", "filters.js", "words.js", "decision.js", "balance.js", "paying.js", "requests.js"], "bulk.js": ["csv.js", "bulk.js"], "products.js": ["csv.js", "products.js"], "policy.js": ["words.js", "decision.js", "policy.js"], "subscriptions.js": ["chart.js", "csv.js", "words.js", "subscriptions.js"], "notices.js": ["csv.js", "filters.js", "decision.js", "notices.js"], "keys.js": ["csv.js", "words.js", "keys.js"], "operators.js": ["csv.js", "decision.js", "operators.js"], "audit.js": ["csv.js", "filters.js", "words.js", "audit.js"], "find.js": ["find.js"], "user.js": ["chart.js", "csv.js", "words.js", "balance.js", "grants.js", "user.js"], "key.js": ["chart.js", "words.js", "grants.js", "key.js"]};
const $all = {};
const $run = new Set();
const $tries = {};

function $fetched(file) {
  const { content } = document.querySelector(`meta[name="part:${file}"]`);
  const tries = $tries[file] || 0;
  return import(tries ? `${content}?try=${tries}` : content).catch((error) => {
    $tries[file] = tries + 1;
    throw error;
  });
}

async function $part(name, module) {
  const files = $parts[name];
  const loaded = await Promise.all(files.map($fetched));
  files.forEach((file, n) => {
    if ($run.has(file)) return;
    $run.add(file);
    loaded[n].default($all);
  });
  return $all[module];
}
const $vendor_preact = $all.$vendor_preact = (() => {
var n,l,u,t,i,r,o,e,f,c,a,s,h,p,v,y,d={},w=[],_=/acit|ex(?:s|g|n|p|$)|rph|grid|ows|mnc|ntw|ine[ch]|zoo|^ord|itera/i,g=Array.isArray;function m(n,l){for(var u in l)n[u]=l[u];return n}function b(n){n&&n.parentNode&&n.parentNode.removeChild(n)}function k(l,u,t){var i,r,o,e={};for(o in u)"key"==o?i=u[o]:"ref"==o?r=u[o]:e[o]=u[o];if(arguments.length>2&&(e.children=arguments.length>3?n.call(arguments,2):t),"function"==typeof l&&null!=l.defaultProps)for(o in l.defaultProps)void 0===e[o]&&(e[o]=l.defaultProps[o]);return x(l,e,i,r,null)}function x(n,t,i,r,o){var e={type:n,props:t,key:i,ref:r,__k:null,__:null,__b:0,__e:null,__c:null,constructor:void 0,__v:null==o?++u:o,__i:-1,__u:0};return null==o&&null!=l.vnode&&l.vnode(e),e}function M(){return{current:null}}function S(n){return n.children}function C(n,l){this.props=n,this.context=l}function $(n,l){if(null==l)return n.__?$(n.__,n.__i+1):null;for(var u;l<n.__k.length;l++)if(null!=(u=n.__k[l])&&null!=u.__e)return u.__e;return"function"==typeof n.type?$(n):null}function I(n){if(n.__P&&n.__d){var u=n.__v,t=u.__e,i=[],r=[],o=m({},u);o.__v=u.__v+1,l.vnode&&l.vnode(o),q(n.__P,o,u,n.__n,n.__P.namespaceURI,32&u.__u?[t]:null,i,null==t?$(u):t,!!(32&u.__u),r),o.__v=u.__v,o.__.__k[o.__i]=o,D(i,o,r),u.__e=u.__=null,o.__e!=t&&P(o)}}function P(n){if(null!=(n=n.__)&&null!=n.__c)return n.__e=n.__c.base=null,n.__k.some(function(l){if(null!=l&&null!=l.__e)return n.__e=n.__c.base=l.__e}),P(n)}function A(n){(!n.__d&&(n.__d=!0)&&i.push(n)&&!H.__r++||r!=l.debounceRendering)&&((r=l.debounceRendering)||o)(H)}function H(){try{for(var n,l=1;i.length;)i.length>l&&i.sort(e),n=i.shift(),l=i.length,I(n)}finally{i.length=H.__r=0}}function L(n,l,u,t,i,r,o,e,f,c,a){var s,h,p,v,y,_,g=t&&t.__k||w,m=l.length;for(f=T(u,l,g,f,m),s=0;s<m;s++)null!=(p=u.__k[s])&&(h=-1!=p.__i&&g[p.__i]||d,p.__i=s,_=q(n,p,h,i,r,o,e,f,c,a),v=p.__e,p.ref&&h.ref!=p.ref&&(h.ref&&J(h.ref,null,p),a.push(p.ref,p.__c||v,p)),null==y&&null!=v&&(y=v),4&p.__u?(f=j(p,f,n),h.__e&&(h.__e=null)):"function"==typeof p.type&&void 0!==_?f=_:v&&(f=v.nextSibling),p.__u&=-7);return u.__e=y,f}function T(n,l,u,t,i){var r,o,e,f,c,a=u.length,s=a,h=0;for(n.__k=new Array(i),r=0;r<i;r++)null!=(o=l[r])&&"boolean"!=typeof o&&"function"!=typeof o?("string"==typeof o||"number"==typeof o||"bigint"==typeof o||o.constructor==String?o=n.__k[r]=x(null,o,null,null,null):g(o)?o=n.__k[r]=x(S,{children:o},null,null,null):void 0===o.constructor&&o.__b>0?o=n.__k[r]=x(o.type,o.props,o.key,o.ref?o.ref:null,o.__v):n.__k[r]=o,f=r+h,o.__=n,o.__b=n.__b+1,e=null,-1!=(c=o.__i=O(o,u,f,s))&&(s--,(e=u[c])&&(e.__u|=2)),null==e||null==e.__v?(-1==c&&(i>a?h--:i<a&&h++),"function"!=typeof o.type&&(o.__u|=4)):c!=f&&(c==f-1?h--:c==f+1?h++:(c>f?h--:h++,o.__u|=4))):n.__k[r]=null;if(s)for(r=0;r<a;r++)null!=(e=u[r])&&0==(2&e.__u)&&(e.__e==t&&(t=$(e)),K(e,e));return t}function j(n,l,u){var t,i;if("function"==typeof n.type){for(t=n.__k,i=0;t&&i<t.length;i++)t[i]&&(t[i].__=n,l=j(t[i],l,u));return l}n.__e!=l&&(l&&n.type&&!l.parentNode&&(l=$(n)),l=u.insertBefore(n.__e,l||null));do{l=l&&l.nextSibling}while(null!=l&&8==l.nodeType);return l}function F(n,l){return l=l||[],null==n||"boolean"==typeof n||(g(n)?n.some(function(n){F(n,l)}):l.push(n)),l}function O(n,l,u,t){var i,r,o,e=n.key,f=n.type,c=l[u],a=null!=c&&0==(2&c.__u);if(null===c&&null==e||a&&e==c.key&&f==c.type)return u;if(t>(a?1:0))for(i=u-1,r=u+1;i>=0||r<l.length;)if(null!=(c=l[o=i>=0?i--:r++])&&0==(2&c.__u)&&e==c.key&&f==c.type)return o;return-1}function z(n,l,u){"-"==l[0]?n.setProperty(l,null==u?"":u):n[l]=null==u?"":"number"!=typeof u||_.test(l)?u:u+"px"}function N(n,l,u,t,i){var r,o;n:if("style"==l)if("string"==typeof u)n.style.cssText=u;else{if("string"==typeof t&&(n.style.cssText=t=""),t)for(l in t)u&&l in u||z(n.style,l,"");if(u)for(l in u)t&&u[l]==t[l]||z(n.style,l,u[l])}else if("o"==l[0]&&"n"==l[1])r=l!=(l=l.replace(s,"$1")),o=l.toLowerCase(),l=o in n||"onFocusOut"==l||"onFocusIn"==l?o.slice(2):l.slice(2),n.l||(n.l={}),n.l[l+r]=u,u?t?u[a]=t[a]:(u[a]=h,n.addEventListener(l,r?v:p,r)):n.removeEventListener(l,r?v:p,r);else{if("http://www.w3.org/2000/svg"==i)l=l.replace(/xlink(H|:h)/,"h").replace(/sName$/,"s");else if("width"!=l&&"height"!=l&&"href"!=l&&"list"!=l&&"form"!=l&&"tabIndex"!=l&&"download"!=l&&"rowSpan"!=l&&"colSpan"!=l&&"role"!=l&&"popover"!=l&&l in n)try{n[l]=null==u?"":u;break n}catch(n){}"function"==typeof u||(null==u||!1===u&&"-"!=l[4]?n.removeAttribute(l):n.setAttribute(l,"popover"==l&&1==u?"":u))}}function V(n){return function(u){if(this.l){var t=this.l[u.type+n];if(null==u[c])u[c]=h++;else if(u[c]<t[a])return;return t(l.event?l.event(u):u)}}}function q(n,u,t,i,r,o,e,f,c,a){var s,h,p,v,y,d,_,k,x,M,I,P,A,H,T,j,F=u.type;if(void 0!==u.constructor)return null;128&t.__u&&(c=!!(32&t.__u),o=[f=u.__e=t.__e]),(s=l.__b)&&s(u);n:if("function"==typeof F){h=e.length;try{if(x=u.props,M=F.prototype&&F.prototype.render,I=(s=F.contextType)&&i[s.__c],P=s?I?I.props.value:s.__:i,t.__c?k=(p=u.__c=t.__c).__=p.__E:(M?u.__c=p=new F(x,P):(u.__c=p=new C(x,P),p.constructor=F,p.render=Q),I&&I.sub(p),p.state||(p.state={}),p.__n=i,v=p.__d=!0,p.__h=[],p._sb=[]),M&&null==p.__s&&(p.__s=p.state),M&&null!=F.getDerivedStateFromProps&&(p.__s==p.state&&(p.__s=m({},p.__s)),m(p.__s,F.getDerivedStateFromProps(x,p.__s))),y=p.props,d=p.state,p.__v=u,v)M&&null==F.getDerivedStateFromProps&&null!=p.componentWillMount&&p.componentWillMount(),M&&null!=p.componentDidMount&&p.__h.push(p.componentDidMount);else{if(M&&null==F.getDerivedStateFromProps&&x!==y&&null!=p.componentWillReceiveProps&&p.componentWillReceiveProps(x,P),u.__v==t.__v||!p.__e&&null!=p.shouldComponentUpdate&&!1===p.shouldComponentUpdate(x,p.__s,P)){u.__v!=t.__v&&(p.props=x,p.state=p.__s,p.__d=!1),u.__e=t.__e,u.__k=t.__k,u.__k.some(function(n){n&&(n.__=u)}),w.push.apply(p.__h,p._sb),p._sb=[],p.__h.length&&e.push(p),f=$(t);break n}null!=p.componentWillUpdate&&p.componentWillUpdate(x,p.__s,P),M&&null!=p.componentDidUpdate&&p.__h.push(function(){p.componentDidUpdate(y,d,_)})}if(p.context=P,p.props=x,p.__P=n,p.__e=!1,A=l.__r,H=0,M)p.state=p.__s,p.__d=!1,A&&A(u),s=p.render(p.props,p.state,p.context),w.push.apply(p.__h,p._sb),p._sb=[];else do{p.__d=!1,A&&A(u),s=p.render(p.props,p.state,p.context),p.state=p.__s}while(p.__d&&++H<25);p.state=p.__s,null!=p.getChildContext&&(i=m(m({},i),p.getChildContext())),M&&!v&&null!=p.getSnapshotBeforeUpdate&&(_=p.getSnapshotBeforeUpdate(y,d)),T=null!=s&&s.type===S&&null==s.key?E(s.props.children):s,f=L(n,g(T)?T:[T],u,t,i,r,o,e,f,c,a),p.base=u.__e,u.__u&=-161,p.__h.length&&e.push(p),k&&(p.__E=p.__=null)}catch(n){if(e.length=h,u.__v=null,c||null!=o){if(n.then){for(u.__u|=c?160:128;f&&8==f.nodeType&&f.nextSibling;)f=f.nextSibling;null!=o&&(o[o.indexOf(f)]=null),u.__e=f}else if(null!=o)for(j=o.length;j--;)b(o[j])}else u.__e=t.__e;null==u.__k&&(u.__k=t.__k||[]),n.then||B(u),l.__e(n,u,t)}}else null==o&&u.__v==t.__v?(u.__k=t.__k,u.__e=t.__e):f=u.__e=G(t.__e,u,t,i,r,o,e,c,a);return(s=l.diffed)&&s(u),128&u.__u?void 0:f}function B(n){n&&(n.__c&&(n.__c.__e=!0),n.__k&&n.__k.some(B))}function D(n,u,t){for(var i=0;i<t.length;i++)J(t[i],t[++i],t[++i]);l.__c&&l.__c(u,n),n.some(function(u){try{n=u.__h,u.__h=[],n.some(function(n){n.call(u)})}catch(n){l.__e(n,u.__v)}})}function E(n){return"object"!=typeof n||null==n||n.__b>0?n:g(n)?n.map(E):void 0!==n.constructor?null:m({},n)}function G(u,t,i,r,o,e,f,c,a){var s,h,p,v,y,w,_,m=i.props||d,k=t.props,x=t.type;if("svg"==x?o="http://www.w3.org/2000/svg":"math"==x?o="http://www.w3.org/1998/Math/MathML":o||(o="http://www.w3.org/1999/xhtml"),null!=e)for(s=0;s<e.length;s++)if((y=e[s])&&"setAttribute"in y==!!x&&(x?y.localName==x:3==y.nodeType)){u=y,e[s]=null;break}if(null==u){if(null==x)return document.createTextNode(k);u=document.createElementNS(o,x,k.is&&k),c&&(l.__m&&l.__m(t,e),c=!1),e=null}if(null==x)m===k||c&&u.data==k||(u.data=k);else{if(e="textarea"==x&&null!=k.defaultValue?null:e&&n.call(u.childNodes),!c&&null!=e)for(m={},s=0;s<u.attributes.length;s++)m[(y=u.attributes[s]).name]=y.value;for(s in m)y=m[s],"dangerouslySetInnerHTML"==s?p=y:"children"==s||s in k||"value"==s&&"defaultValue"in k||"checked"==s&&"defaultChecked"in k||N(u,s,null,y,o);for(s in k)y=k[s],"children"==s?v=y:"dangerouslySetInnerHTML"==s?h=y:"value"==s?w=y:"checked"==s?_=y:c&&"function"!=typeof y||m[s]===y||N(u,s,y,m[s],o);if(h)c||p&&(h.__html==p.__html||h.__html==u.innerHTML)||(u.innerHTML=h.__html),t.__k=[];else if(p&&(u.innerHTML=""),L("template"==t.type?u.content:u,g(v)?v:[v],t,i,r,"foreignObject"==x?"http://www.w3.org/1999/xhtml":o,e,f,e?e[0]:i.__k&&$(i,0),c,a),null!=e)for(s=e.length;s--;)b(e[s]);c&&"textarea"!=x||(s="value","progress"==x&&null==w?u.removeAttribute("value"):null!=w&&(w!==u[s]||"progress"==x&&!w||"option"==x&&w!=m[s])&&N(u,s,w,m[s],o),s="checked",null!=_&&_!=u[s]&&N(u,s,_,m[s],o))}return u}function J(n,u,t){try{if("function"==typeof n){var i="function"==typeof n.__u;i&&n.__u(),i&&null==u||(n.__u=n(u))}else n.current=u}catch(n){l.__e(n,t)}}function K(n,u,t){var i,r;if(l.unmount&&l.unmount(n),(i=n.ref)&&(i.current&&i.current!=n.__e||J(i,null,u)),null!=(i=n.__c)){if(i.componentWillUnmount)try{i.componentWillUnmount()}catch(n){l.__e(n,u)}i.base=i.__P=i.__n=null}if(i=n.__k)for(r=0;r<i.length;r++)i[r]&&K(i[r],u,t||"function"!=typeof n.type);t||b(n.__e),n.__c=n.__=n.__e=void 0}function Q(n,l,u){return this.constructor(n,u)}function R(u,t,i){var r,o,e,f;t==document&&(t=document.documentElement),l.__&&l.__(u,t),o=(r="function"==typeof i)?null:i&&i.__k||t.__k,e=[],f=[],q(t,u=(!r&&i||t).__k=k(S,null,[u]),o||d,d,t.namespaceURI,!r&&i?[i]:o?null:t.firstChild?n.call(t.childNodes):null,e,!r&&i?i:o?o.__e:t.firstChild,r,f),D(e,u,f),u.props.children=null}function U(n,l){R(n,l,U)}function W(l,u,t){var i,r,o,e,f=m({},l.props);for(o in l.type&&l.type.defaultProps&&(e=l.type.defaultProps),u)"key"==o?i=u[o]:"ref"==o?r=u[o]:f[o]=void 0===u[o]&&null!=e?e[o]:u[o];return arguments.length>2&&(f.children=arguments.length>3?n.call(arguments,2):t),x(l.type,f,i||l.key,r||l.ref,null)}function X(n){function l(n){var u,t;return this.getChildContext||(u=new Set,(t={})[l.__c]=this,this.getChildContext=function(){return t},this.componentWillUnmount=function(){u=null},this.shouldComponentUpdate=function(n){this.props.value!=n.value&&u.forEach(function(n){n.__e=!0,A(n)})},this.sub=function(n){u.add(n);var l=n.componentWillUnmount;n.componentWillUnmount=function(){u&&u.delete(n),l&&l.call(n)}}),n.children}return l.__c="__cC"+y++,l.__=n,l.Provider=l.__l=(l.Consumer=function(n,l){return n.children(l)}).contextType=l,l}n=w.slice,l={__e:function(n,l,u,t){for(var i,r,o;l=l.__;)if((i=l.__c)&&!i.__)try{if((r=i.constructor)&&null!=r.getDerivedStateFromError&&(i.setState(r.getDerivedStateFromError(n)),o=i.__d),null!=i.componentDidCatch&&(i.componentDidCatch(n,t||{}),o=i.__d),o)return i.__E=i}catch(l){n=l}throw n}},u=0,t=function(n){return null!=n&&void 0===n.constructor},C.prototype.setState=function(n,l){var u;u=null!=this.__s&&this.__s!=this.state?this.__s:this.__s=m({},this.state),"function"==typeof n&&(n=n(m({},u),this.props)),n&&m(u,n),null!=n&&this.__v&&(l&&this._sb.push(l),A(this))},C.prototype.forceUpdate=function(n){this.__v&&(this.__e=!0,n&&this.__h.push(n),A(this))},C.prototype.render=S,i=[],o="function"==typeof Promise?Promise.prototype.then.bind(Promise.resolve()):setTimeout,e=function(n,l){return n.__v.__b-l.__v.__b},H.__r=0,f=Math.random().toString(8),c="__d"+f,a="__a"+f,s=/(PointerCapture)$|Capture$/i,h=0,p=V(!1),v=V(!0),y=0;
return { Component: C, Fragment: S, cloneElement: W, createContext: X, createElement: k, createRef: M, h: k, hydrate: U, isValidElement: t, options: l, render: R, toChildArray: F };
})();
const $vendor_hooks = $all.$vendor_hooks = (() => {
const { options: n } = $vendor_preact;var t,r,u,i,o=0,f=[],c=n,e=c.__b,a=c.__r,v=c.diffed,l=c.__c,m=c.unmount,p=c.__;function s(n,t){c.__h&&c.__h(r,n,o||t),o=0;var u=r.__H||(r.__H={__:[],__h:[]});return n>=u.__.length&&u.__.push({}),u.__[n]}function d(n){return o=1,y(D,n)}function y(n,u,i){var o=s(t++,2);if(o.t=n,!o.__c&&(o.__=[i?i(u):D(void 0,u),function(n){var t=o.__N?o.__N[0]:o.__[0],r=o.t(t,n);t!==r&&(o.__N=[r,o.__[1]],o.__c.setState({}))}],o.__c=r,!r.__f)){var f=function(n,t,r){if(!o.__c.__H)return!0;var u=!1,i=o.__c.props!==n;if(o.__c.__H.__.some(function(n){if(n.__N){u=!0;var t=n.__[0];n.__=n.__N,n.__N=void 0,t!==n.__[0]&&(i=!0)}}),c){var f=c.call(this,n,t,r);return u?f||i:f}return!u||i};r.__f=!0;var c=r.shouldComponentUpdate,e=r.componentWillUpdate;r.componentWillUpdate=function(n,t,r){if(this.__e){var u=c;c=void 0,f(n,t,r),c=u}e&&e.call(this,n,t,r)},r.shouldComponentUpdate=f}return o.__N||o.__}function h(n,u){var i=s(t++,3);!c.__s&&C(i.__H,u)&&(i.__=n,i.u=u,r.__H.__h.push(i))}function _(n,u){var i=s(t++,4);!c.__s&&C(i.__H,u)&&(i.__=n,i.u=u,r.__h.push(i))}function A(n){return o=5,T(function(){return{current:n}},[])}function F(n,t,r){o=6,_(function(){if("function"==typeof n){var r=n(t());return function(){n(null),r&&"function"==typeof r&&r()}}if(n)return n.current=t(),function(){return n.current=null}},null==r?r:r.concat(n))}function T(n,r){var u=s(t++,7);return C(u.__H,r)&&(u.__=n(),u.__H=r,u.__h=n),u.__}function q(n,t){return o=8,T(function(){return n},t)}function x(n){var u=r.context[n.__c],i=s(t++,9);return i.c=n,u?(null==i.__&&(i.__=!0,u.sub(r)),u.props.value):n.__}function P(n,t){c.useDebugValue&&c.useDebugValue(t?t(n):n)}function b(n){var u=s(t++,10),i=d();return u.__=n,r.componentDidCatch||(r.componentDidCatch=function(n,t){u.__&&u.__(n,t),i[1](n)}),[i[0],function(){i[1](void 0)}]}function g(){var n=s(t++,11);if(!n.__){for(var u=r.__v;null!==u&&!u.__m&&null!==u.__;)u=u.__;var i=u.__m||(u.__m=[0,0]);n.__="P"+i[0]+"-"+i[1]++}return n.__}function j(){for(var n;n=f.shift();){var t=n.__H;if(n.__P&&t)try{t.__h.some(z),t.__h.some(B),t.__h=[]}catch(r){t.__h=[],c.__e(r,n.__v)}}}c.__b=function(n){r=null,e&&e(n)},c.__=function(n,t){n&&t.__k&&t.__k.__m&&(n.__m=t.__k.__m),p&&p(n,t)},c.__r=function(n){a&&a(n),t=0;var i=(r=n.__c).__H;i&&(u===r?(i.__h=[],r.__h=[],i.__.some(function(n){n.__N&&(n.__=n.__N),n.u=n.__N=void 0})):(i.__h.some(z),i.__h.some(B),i.__h=[],t=0)),u=r},c.diffed=function(n){v&&v(n);var t=n.__c;t&&t.__H&&(t.__H.__h.length&&(1!==f.push(t)&&i===c.requestAnimationFrame||((i=c.requestAnimationFrame)||w)(j)),t.__H.__.some(function(n){n.u&&(n.__H=n.u,n.u=void 0)})),u=r=null},c.__c=function(n,t){t.some(function(n){try{n.__h.some(z),n.__h=n.__h.filter(function(n){return!n.__||B(n)})}catch(r){t.some(function(n){n.__h&&(n.__h=[])}),t=[],c.__e(r,n.__v)}}),l&&l(n,t)},c.unmount=function(n){m&&m(n);var t,r=n.__c;r&&r.__H&&(r.__H.__.some(function(n){try{z(n)}catch(n){t=n}}),r.__H=void 0,t&&c.__e(t,r.__v))};var k="function"==typeof requestAnimationFrame;function w(n){var t,r=function(){clearTimeout(u),k&&cancelAnimationFrame(t),setTimeout(n)},u=setTimeout(r,35);k&&(t=requestAnimationFrame(r))}function z(n){var t=r,u=n.__c;"function"==typeof u&&(n.__c=void 0,u()),r=t}function B(n){var t=r;n.__c=n.__(),r=t}function C(n,t){return!n||n.length!==t.length||t.some(function(t,r){return t!==n[r]})}function D(n,t){return"function"==typeof t?t(n):t}
return { useCallback: q, useContext: x, useDebugValue: P, useEffect: h, useErrorBoundary: b, useId: g, useImperativeHandle: F, useLayoutEffect: _, useMemo: T, useReducer: y, useRef: A, useState: d };
})();
const $vendor_htm = $all.$vendor_htm = (() => {
var n=function(t,s,r,e){var u;s[0]=0;for(var h=1;h<s.length;h++){var p=s[h++],a=s[h]?(s[0]|=p?1:2,r[s[h++]]):s[++h];3===p?e[0]=a:4===p?e[1]=Object.assign(e[1]||{},a):5===p?(e[1]=e[1]||{})[s[++h]]=a:6===p?e[1][s[++h]]+=a+"":p?(u=t.apply(a,n(t,a,r,["",null])),e.push(u),a[0]?s[0]|=2:(s[h-2]=0,s[h]=u)):e.push(a)}return e},t=new Map;const __default = function(s){var r=t.get(this);return r||(r=new Map,t.set(this,r)),(r=n(this,r.get(s)||(r.set(s,r=function(n){for(var t,s,r=1,e="",u="",h=[0],p=function(n){1===r&&(n||(e=e.replace(/^\s*\n\s*|\s*\n\s*$/g,"")))?h.push(0,n,e):3===r&&(n||e)?(h.push(3,n,e),r=2):2===r&&"..."===e&&n?h.push(4,n,0):2===r&&e&&!n?h.push(5,0,!0,e):r>=5&&((e||!n&&5===r)&&(h.push(r,0,e,s),r=6),n&&(h.push(r,n,0,s),r=6)),e=""},a=0;a<n.length;a++){a&&(1===r&&p(),p(a));for(var l=0;l<n[a].length;l++)t=n[a][l],1===r?"<"===t?(p(),h=[h],r=3):e+=t:4===r?"--"===e&&">"===t?(r=1,e=""):e=t+e[0]:u?t===u?u="":e+=t:'"'===t||"'"===t?u=t:">"===t?(p(),r=1):r&&("="===t?(r=5,s=e,e=""):"/"===t&&(r<5||">"===n[a][l+1])?(p(),3===r&&(h=h[0]),r=h,(h=h[0]).push(2,0,r),r=0):" "===t||"\t"===t||"\n"===t||"\r"===t?(p(),r=2):e+=t),3===r&&"!--"===e&&(r=4,h=h[0])}return p(),h}(s)),r),arguments,[])).length>1?r:r[0]}
return { default: __default };
})();
const $html = $all.$html = (() => {
const { h, render, Fragment } = $vendor_preact;
const { useState, useEffect, useLayoutEffect, useMemo, useRef, useCallback, useId } = $vendor_hooks;
const { default: htm } = $vendor_htm;

const html = htm.bind(h);
return { html: html, render: render, Fragment: Fragment, useState: useState, useEffect: useEffect, useLayoutEffect: useLayoutEffect, useMemo: useMemo, useRef: useRef, useCallback: useCallback, useId: useId };
})();
const $root = $all.$root = (() => {
const ROOT = document.documentElement.dataset.root;
return { ROOT: ROOT };
})();
const $api = $all.$api = (() => {
const { ROOT } = $root;

const TIMEOUT_MS = 25000;
const UNKNOWN_OUTCOME = new Set(["outcome_unknown", "internal_error"]);
const SESSION = "/dashboard/session";

let csrf = "";
let operator = "";
let sessionLost = () => {};
let operatorChanged = () => {};
let running = 0;

function onSession({ lost, changed }) {
  sessionLost = lost;
  operatorChanged = changed;
}

function keepSession(session) {
  csrf = session.csrfToken;
  operator = session.name;
  return session;
}

class Failure extends Error {
  constructor(status, body, unchanged) {
    super(body.message || "The gateway did not answer.");
    this.status = status;
    this.code = body.code || "no_answer";
    this.details = body.details || {};
    this.guidance = body.guidance || "";
    this.requestId = body.requestId || "";
    this.retryAfter = body.retryAfterSeconds || 0;
    this.unchanged = unchanged;
    this.loggedOut = false;
    this.definite = unchanged && status >= 400 && status < 500 && ![401, 408, 429].includes(status);
  }
}

async function call(method, path, options = {}) {
  announce(1);
  try {
    return await sent(method, path, options);
  } catch (failure) {
    if (failure.code !== "csrf_refused" || !(await renewed())) throw failure;
    return await sent(method, path, options);
  } finally {
    announce(-1);
  }
}

const get = (path, query = {}, options) => call("GET", withQuery(path, query), options);

function withQuery(path, query) {
  const given = Object.entries(query).filter(([, value]) => value !== undefined && value !== null && value !== "");
  return given.length ? `${path}?${new URLSearchParams(given)}` : path;
}

const newKey = () => `dash-${crypto.randomUUID()}`;

async function sent(method, path, { body, csv, key, text, signal }) {
  const headers = { accept: "application/json" };
  if (body !== undefined) headers["content-type"] = "application/json";
  if (csv !== undefined) headers["content-type"] = "text/csv";
  if (method !== "GET") headers["x-csrf-token"] = csrf;
  if (key) headers["idempotency-key"] = `"${key}"`;
  if (method !== "GET" && navigator.onLine === false) {
    throw new Failure(0, { message: "This device is offline. Nothing was sent." }, true);
  }
  const limit = AbortSignal.timeout(TIMEOUT_MS);
  let answer;
  let found;
  try {
    answer = await fetch(ROOT + path, {
      method, headers, credentials: "same-origin", redirect: "error", cache: "no-store",
      body: body === undefined ? csv : JSON.stringify(body),
      signal: signal ? AbortSignal.any([signal, limit]) : limit,
    });
    if (answer.ok && text) return { headers: answer.headers, text: await answer.text() };
    found = await answer.json();
  } catch (error) {
    if (signal?.aborted) throw error;
    if (!answer || answer.ok) throw lost(method, answer);
    found = {};
  }
  if (answer.ok) return { ...found, replayed: answer.headers.get("idempotency-replayed") === "true" };
  const failure = new Failure(answer.status, found, isUnchanged(method, answer.status, found.code));
  if (answer.status === 401 && path !== SESSION) {
    failure.loggedOut = true;
    sessionLost();
  }
  throw failure;
}

function lost(method, answer) {
  const message = navigator.onLine === false ? "This device is offline."
    : answer ? "The gateway's answer broke off." : "The gateway did not answer.";
  return new Failure(0, { message }, method === "GET");
}

function isUnchanged(method, status, code) {
  if (method === "GET") return true;
  if (status < 500) return status !== 408;
  return code !== undefined && !UNKNOWN_OUTCOME.has(code) && status === 503;
}

async function renewed() {
  const found = await sent("GET", SESSION, {}).catch(() => null);
  if (found === null) return false;
  if (found.name === operator) return Boolean(keepSession(found));
  operatorChanged(found);
  return false;
}

function announce(change) {
  running += change;
  dispatchEvent(new CustomEvent("calls", { detail: running }));
}
return { onSession: onSession, keepSession: keepSession, Failure: Failure, call: call, get: get, withQuery: withQuery, newKey: newKey };
})();
const $progress = $all.$progress = (() => {
const { html, useEffect, useState } = $html;

const SHOWN_S = 1;
const SAID_S = 3;

function Waiting() {
  const [seconds, set] = useState(0);
  useEffect(() => {
    const since = Date.now();
    const timer = setInterval(() => set(Math.floor((Date.now() - since) / 1000)), 500);
    return () => clearInterval(timer);
  }, []);
  return seconds >= SHOWN_S && html`<span class="waiting"><progress aria-label="Waiting for the gateway"></progress>
    ${seconds >= SAID_S && html`<span>Waiting for the gateway for ${seconds} s</span>`}</span>`;
}

function Working() {
  const [running, set] = useState(0);
  useEffect(() => {
    const heard = (event) => set(event.detail);
    addEventListener("calls", heard);
    return () => removeEventListener("calls", heard);
  }, []);
  return html`<div class="working" role="status">${running > 0 && html`<${Waiting} />`}</div>`;
}
return { Waiting: Waiting, Working: Working };
})();
const $dialog = $all.$dialog = (() => {
const { html, useEffect, useId, useLayoutEffect, useRef } = $html;
const { Waiting } = $progress;

const topmost = () => [...document.querySelectorAll("dialog[open]")].at(-1);

function Dialog({ title, onClose, busy = false, step = "", cls = "", children }) {
  const element = useRef();
  const heading = useId();
  const close = useRef();
  close.current = () => { if (!busy) onClose?.(); };
  useEffect(() => {
    const shown = element.current;
    const before = document.activeElement;
    shown.showModal();
    let isShown = true;
    const closed = () => {
      if (!isShown) return;
      shown.showModal();
      close.current();
    };
    shown.addEventListener("close", closed);
    return () => {
      isShown = false;
      shown.close(); // While it is open, the page behind cannot take the focus.
      (before?.isConnected ? before : document.querySelector("main h1"))?.focus();
    };
  }, []);
  useEffect(() => enter(element.current), [step]);
  useLayoutEffect(() => {
    const shown = element.current;
    if (shown.open && topmost() === shown && !shown.contains(document.activeElement)) enter(shown);
  });
  const pressed = (event) => {
    if (event.key === "Escape") {
      event.preventDefault();
      event.stopPropagation();
      close.current();
    } else if (event.key === "Enter" && event.repeat) {
      event.preventDefault(); // A key held down does not confirm the next step as well.
    }
  };
  const cancelled = (event) => {
    event.preventDefault();
    close.current();
  };
  return html`<dialog ref=${element} class=${cls} aria-labelledby=${heading} onKeyDown=${pressed} onCancel=${cancelled}>
    <header><h2 id=${heading} tabindex="-1">${title}</h2>
      ${onClose && html`<button type="button" class="icon" aria-label="Close" aria-disabled=${busy ? "true" : undefined} onClick=${() => close.current()}>×</button>`}
    </header>
    ${children}
  </dialog>`;
}

function enter(shown) {
  (shown.querySelector("[data-first]") || shown.querySelector("h2")).focus();
}

function Buttons({ back, onBack, act, doing, busy = false, danger = false, first = false }) {
  const off = busy ? "true" : undefined;
  const stop = (event) => { if (busy) event.preventDefault(); };
  return html`<footer>${busy && html`<${Waiting} />`}
    ${back && html`<button type="button" aria-disabled=${off} data-first=${act ? undefined : true} onClick=${(event) => (busy ? stop(event) : onBack())}>${back}</button>`}
    ${act && html`<button class=${danger ? "danger" : "primary"} aria-disabled=${off} data-first=${first || undefined} onClick=${stop}>${busy ? doing : act}</button>`}
  </footer>`;
}
return { Dialog: Dialog, Buttons: Buttons };
})();
const $router = $all.$router = (() => {
const { useEffect, useState } = $html;
const { ROOT } = $root;

const BASE = `${ROOT}/dashboard`;

let listeners = [];
const changed = () => listeners.forEach((listener) => listener());
addEventListener("popstate", changed);

const place = () => placeOf(location);

function placeOf({ origin, pathname, search }) {
  if (origin !== location.origin || !(pathname === BASE || pathname.startsWith(`${BASE}/`))) return null;
  const [page = "", id = ""] = pathname.slice(BASE.length + 1).split("/");
  return { page, id: safeDecode(id), query: Object.fromEntries(new URLSearchParams(search)) };
}

function usePlace() {
  const [found, set] = useState(place);
  useEffect(() => {
    const listener = () => set(place());
    listeners.push(listener);
    return () => { listeners = listeners.filter((other) => other !== listener); };
  }, []);
  return found;
}

function href(page = "", id = "", query = {}) {
  const path = [BASE, page, id && encodeURIComponent(id)].filter(Boolean).join("/");
  const given = Object.entries(query).filter(([, value]) => value !== undefined && value !== "" && value !== null);
  return given.length ? `${path}?${new URLSearchParams(given)}` : path;
}

function go(address, { replace = false } = {}) {
  if (replace) history.replaceState(history.state, "", address);
  else history.pushState({ inside: true }, "", address);
  if (!replace && !place().query.entry) scrollTo(0, 0); // The story scrolls to its entry itself.
  changed();
}

function setQuery(members, options) {
  const { page, id, query } = place();
  go(href(page, id, { ...query, cursor: "", ...members }), options);
}

function takeClicks() {
  addEventListener("click", (event) => {
    const link = event.target.closest?.("a[href]");
    if (!link || event.defaultPrevented || event.button || event.metaKey || event.ctrlKey || event.shiftKey) return;
    if (!placeOf(link) || link.target || link.hasAttribute("download") || link.hash) return;
    event.preventDefault();
    if (link.href === location.href) changed();
    else go(link.href);
  });
}

function safeDecode(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
return { BASE: BASE, place: place, placeOf: placeOf, usePlace: usePlace, href: href, go: go, setQuery: setQuery, takeClicks: takeClicks };
})();
const $format = $all.$format = (() => {
const { html, useEffect, useState } = $html;

const whole = new Intl.NumberFormat();
const signed = new Intl.NumberFormat(undefined, { signDisplay: "exceptZero" });
const short = new Intl.NumberFormat(undefined, { notation: "compact", maximumFractionDigits: 1 });
const TIME = { hour: "2-digit", minute: "2-digit", second: "2-digit" };
const STYLES = {
  full: { dateStyle: "medium", timeStyle: "long" },
  table: { day: "numeric", month: "short", ...TIME },
  tableWithYear: { day: "numeric", month: "short", year: "numeric", ...TIME },
  day: { day: "numeric", month: "short", year: "numeric" },
  clock: { ...TIME, timeZoneName: "short" },
};
const formats = Object.fromEntries(Object.entries(STYLES).map(([name, style]) => [name, new Intl.DateTimeFormat(undefined, style)]));
const relative = new Intl.RelativeTimeFormat(undefined, { numeric: "auto" });
const DOLLAR = { style: "currency", currency: "USD", minimumFractionDigits: 2, maximumFractionDigits: 6 };
const dollar = new Intl.NumberFormat(undefined, DOLLAR);
const signedDollar = new Intl.NumberFormat(undefined, { ...DOLLAR, signDisplay: "exceptZero" });
const withMinus = (text) => text.replace("-", "−");
const none = (value) => value === null || value === undefined;

const number = (value) => (none(value) ? "–" : whole.format(value));
const compact = (value) => short.format(value);
const change = (value) => (value ? withMinus(signed.format(value)) : "±0");
const credits = (value) => `${number(value)} ${Math.abs(value) === 1 ? "credit" : "credits"}`;
const dollars = (value) => (none(value) ? "–" : withMinus(dollar.format(value)));
const dollarChange = (micros) => (micros ? withMinus(signedDollar.format(micros / 1e6)) : "±$0.00");
const utc = (iso) => `${iso.slice(0, 10)} ${iso.slice(11, 19)} UTC`;
const today = (daysBack = 0) => new Date(Date.now() - daysBack * 864e5).toISOString().slice(0, 10);
const clock = (moment) => formats.clock.format(new Date(moment));
const zone = () => formats.clock.formatToParts(new Date()).find((part) => part.type === "timeZoneName").value;
const isolated = (text) => `\u2068${text}\u2069`;

const STEPS = [["second", 60], ["minute", 60], ["hour", 24], ["day", 30], ["month", 12], ["year", Infinity]];

function ago(iso, now = Date.now()) {
  let value = (Date.parse(iso) - now) / 1000;
  for (const [unit, size] of STEPS) {
    if (Math.abs(value) < size) return relative.format(Math.round(value), unit);
    value /= size;
  }
  return "";
}

function Time({ at, style }) {
  if (!at) return html`<span class="quiet">never</span>`;
  const moment = new Date(at);
  const isThisYear = moment.getFullYear() === new Date().getFullYear();
  const shown = formats[style || (isThisYear ? "table" : "tableWithYear")].format(moment);
  return html`<time datetime=${at} title=${utc(at)}>${shown}</time>`;
}

function useTicks(every) {
  const [, tick] = useState(0);
  useEffect(() => {
    const timer = setInterval(() => tick((n) => n + 1), every);
    return () => clearInterval(timer);
  }, []);
}

function Ago({ at }) {
  useTicks(10000);
  if (!at) return html`<span class="quiet">never</span>`;
  return html`<time datetime=${at} title=${utc(at)}>${ago(at)}</time>`;
}
return { number: number, compact: compact, change: change, credits: credits, dollars: dollars, dollarChange: dollarChange, utc: utc, today: today, clock: clock, zone: zone, isolated: isolated, ago: ago, Time: Time, useTicks: useTicks, Ago: Ago };
})();
const $ui = $all.$ui = (() => {
const { html, useEffect, useId, useState } = $html;
const { Ago, clock, number, useTicks } = $format;
const { setQuery } = $router;

let toastNumber = 0;
let showToasts = () => {};
let toasts = [];

function say(text, { tone = "good", action } = {}) {
  const toast = { id: ++toastNumber, text, tone, action };
  toasts = [...toasts.slice(-3), toast];
  showToasts(toasts);
  setTimeout(() => dismiss(toast.id), action || tone === "bad" ? 15000 : 6000);
}

function dismiss(id) {
  toasts = toasts.filter((toast) => toast.id !== id);
  showToasts(toasts);
}

function Toasts() {
  const [shown, set] = useState(toasts);
  showToasts = set;
  return html`<div class="toasts" role="status" aria-live="polite">
    ${shown.map((toast) => html`<div class=${`toast ${toast.tone}`} key=${toast.id}>
      <span>${toast.text}</span>
      ${toast.action && html`<button class="link" onClick=${() => { dismiss(toast.id); toast.action.run(); }}>${toast.action.label}</button>`}
      <button class="icon" aria-label="Dismiss" onClick=${() => dismiss(toast.id)}>×</button>
    </div>`)}
  </div>`;
}

function Field({ label, hint, error, children }) {
  const id = useId();
  const described = [hint && `${id}h`, error && `${id}e`].filter(Boolean).join(" ") || undefined;
  return html`<div class=${error ? "field wrong" : "field"}>
    <label for=${id}>${label}</label>
    ${children({ id, "aria-describedby": described, "aria-invalid": error ? "true" : undefined })}
    ${hint && html`<p class="hint" id=${`${id}h`}>${hint}</p>`}
    ${error && html`<p class="error" id=${`${id}e`}>${error}</p>`}
  </div>`;
}

const Badge = ({ tone = "", children }) => html`<span class=${`badge ${tone}`}>${children}</span>`;

const Quoted = ({ children }) => html`<span class="why">“<bdi>${children}</bdi>”</span>`;

function Empty({ title, children }) {
  return html`<div class="empty"><p class="title">${title}</p>${children && html`<p>${children}</p>`}</div>`;
}

function Skeleton({ rows = 6, label = "Loading" }) {
  return html`<div class="skeleton" role="status" aria-label=${label}>
    ${Array.from({ length: rows }, (_, n) => html`<span key=${n} class=${`w${n % 4}`}></span>`)}
  </div>`;
}

function Trouble({ failure, retry }) {
  const forbidden = failure.status === 403;
  return html`<div class="trouble" role="alert">
    <p class="title">${forbidden ? "Your role does not open this." : failure.message}</p>
    <p>${failure.guidance || "Nothing was changed: this page only reads."}</p>
    ${failure.requestId && html`<p class="quiet small">Request <code>${failure.requestId}</code></p>`}
    ${retry && !forbidden && html`<button onClick=${() => retry()}>Try again</button>`}
  </div>`;
}

function ReadState({ page }) {
  if (!page.failure) return null;
  if (!page.found) return page.loading ? null : html`<${Trouble} failure=${page.failure} retry=${page.reload} />`;
  return html`<div class="stale" role="status"><p><b>Not refreshed since ${clock(page.at)}</b> (<${Ago} at=${new Date(page.at).toISOString()} />). ${page.failure.message}
    ${page.failure.definite || page.failure.loggedOut ? "" : " It is tried again by itself."}</p>
    <button class="small" onClick=${() => page.reload()}>Try now</button></div>`;
}

const OLD_MS = 5 * 60000;

function AsOf({ page }) {
  useTicks(10000);
  if (!page.at) return null;
  if (page.failure || Date.now() - page.at < OLD_MS) return html`<p class="asof">As of ${clock(page.at)}</p>`;
  return html`<p class="asof behind">As of ${clock(page.at)}, <${Ago} at=${new Date(page.at).toISOString()} /> <button class="small" onClick=${() => page.reload()}>Read again</button></p>`;
}

function Table({ caption, columns, rows, rowKey, busy }) {
  const size = columns.length > 6 ? "wide" : columns.length > 4 ? "middle" : "narrow";
  return html`<div class=${`scroll ${size}`}><table role="table" class=${busy ? "busy" : ""} aria-busy=${busy ? "true" : "false"}>
    <caption class="sr">${caption}</caption>
    <thead role="rowgroup"><tr role="row">${columns.map((column) => html`
      <th role="columnheader" scope="col" class=${column.cls || ""} key=${column.label}>${column.label}</th>`)}</tr></thead>
    <tbody role="rowgroup">${rows.map((row) => html`<tr role="row" key=${rowKey(row)}>
      ${columns.map((column) => html`<td role="cell" class=${column.cls || ""} key=${column.label} data-label=${column.label}>${column.cell(row)}</td>`)}
    </tr>`)}</tbody>
  </table></div>`;
}

function Figures({ figures, cls = "" }) {
  const longest = Math.max(...figures.map(([, text]) => String(text).length));
  return html`<dl class=${`figures-grid ${cls}`} style=${{ "--chars": longest }}>${figures.map(([label, text, { cls: own = "", note, to } = {}]) => html`
    <div class=${`figure ${own}`} key=${label}><dt>${to ? html`<a href=${to}>${label}</a>` : label}</dt>
      <dd>${text}</dd>${note && html`<dd class="note">${note}</dd>`}</div>`)}</dl>`;
}

function Pager({ cursor, next, count, noun }) {
  if (!cursor && !next) return count > 8 ? html`<p class="pager quiet">${number(count)} ${noun}, and no more.</p>` : null;
  return html`<nav class="pager" aria-label="Pages">
    <button disabled=${!cursor} onClick=${() => setQuery({ cursor: "" })}>First</button>
    <button disabled=${!cursor || !history.state?.inside} onClick=${() => history.back()}>Previous</button>
    <button disabled=${!next} onClick=${() => setQuery({ cursor: next })}>Next</button>
  </nav>`;
}

function Copy({ text, label = "Copy" }) {
  const [done, set] = useState(false);
  const copy = async () => {
    await navigator.clipboard.writeText(text).catch(() => select(text));
    set(true);
    setTimeout(() => set(false), 2000);
  };
  return html`<button type="button" class="small" onClick=${copy} aria-label=${done ? "Copied" : label}>${done ? "Copied" : "Copy"}</button>`;
}

function select(text) {
  const field = document.createElement("textarea");
  field.value = text;
  document.body.append(field);
  field.select();
  document.execCommand("copy");
  field.remove();
}

function Head({ title, children, sub, page }) {
  useEffect(() => { document.title = `${title} · Pluct`; }, [title]);
  return html`<header class="head"><div><h1 tabindex="-1">${title}</h1>${sub && html`<div class="quiet sub">${sub}</div>`}
      ${page && html`<${AsOf} page=${page} />`}</div>
    ${children && html`<div class="actions">${children}</div>`}</header>`;
}
return { say: say, Toasts: Toasts, Field: Field, Badge: Badge, Quoted: Quoted, Empty: Empty, Skeleton: Skeleton, Trouble: Trouble, ReadState: ReadState, AsOf: AsOf, Table: Table, Figures: Figures, Pager: Pager, Copy: Copy, Head: Head };
})();
const $login = $all.$login = (() => {
const { html, useEffect, useRef, useState } = $html;
const { call, keepSession } = $api;
const { Dialog } = $dialog;
const { BASE } = $router;
const { Field } = $ui;

function Form({ onIn, name: known = "" }) {
  const [busy, setBusy] = useState(false);
  const [failure, setFailure] = useState(null);
  const [wait, setWait] = useState(0);
  const form = useRef();
  useEffect(() => form.current.elements[known ? "password" : "name"].focus(), []);
  useEffect(() => {
    if (!wait) return undefined;
    const timer = setTimeout(() => setWait(wait - 1), 1000);
    return () => clearTimeout(timer);
  }, [wait]);
  const submit = async (event) => {
    event.preventDefault();
    if (busy) return;
    const body = Object.fromEntries(new FormData(form.current));
    setBusy(true);
    setFailure(null);
    try {
      onIn(keepSession(await call("POST", "/dashboard/session", { body })));
    } catch (error) {
      setFailure(error);
      setWait(error.retryAfter || 0);
      setBusy(false);
      form.current.elements.password.select();
    }
  };
  return html`<form class="stack" ref=${form} onSubmit=${submit} method="post">
    <${Field} label="Name">${(given) => html`<input ...${given} name="name" autocomplete="username" autocapitalize="none" spellcheck=${false} maxlength="64" required defaultValue=${known} />`}<//>
    <${Field} label="Password">${(given) => html`<input ...${given} name="password" type="password" data-first autocomplete="current-password" maxlength="200" required />`}<//>
    ${failure && html`<p class="error" role="alert">${wait
      ? `${failure.message} You can try again in ${wait} ${wait === 1 ? "second" : "seconds"}.`
      : failure.retryAfter ? "You can try again now." : failure.message}</p>`}
    <button class="primary" disabled=${wait > 0} aria-disabled=${busy ? "true" : undefined}>${busy ? "Logging in…" : "Log in"}</button>
  </form>`;
}

const WELCOME = { loggedOut: "You are logged out.", start: "For operators of this gateway.", page: "Log in to open the page that you asked for." };

function LoginPage({ onIn, left }) {
  useEffect(() => { document.title = "Log in · Pluct"; }, []);
  return html`<main class="login"><div class="card">
    <h1><span class="mark" aria-hidden="true">P</span> Pluct dashboard</h1>
    <p class="quiet">${WELCOME[left ? "loggedOut" : location.pathname === BASE ? "start" : "page"]}</p>
    <${Form} onIn=${onIn} />
  </div></main>`;
}

function LoginAgain({ name, elsewhere, onIn }) {
  return html`<${Dialog} title=${elsewhere ? "You logged out in another tab" : "Your session has ended"} cls="cover">
    <p>Log in again to continue where you were. What you typed is kept.${elsewhere ? "" : " A change that was just refused was not carried out; no credit moved."}</p>
    <${Form} onIn=${onIn} name=${name} />
  <//>`;
}
return { LoginPage: LoginPage, LoginAgain: LoginAgain };
})();
const $notfound = $all.$notfound = (() => {
const { html } = $html;
const { href } = $router;
const { Empty, Head } = $ui;

function NotFound() {
  return html`<${Head} title="There is no such page" />
    <${Empty} title="No page has this address">Check the address, <a href=${href()}>go to the overview</a> or <a href=${href("users")}>search for a user</a>.<//>`;
}
return { NotFound: NotFound };
})();
const $pages = $all.$pages = (() => {
const { html, useEffect, useLayoutEffect, useRef, useState } = $html;
const { NotFound } = $notfound;
const { placeOf } = $router;
const { Head, Skeleton } = $ui;

const page = (title, load, name) => ({ title, load: () => load().then((module) => module[name]) });

const LISTS = {
  "": page("Overview", () => $part("overview.js", "$overview"), "Overview"),
  users: page("Users", () => $part("users.js", "$users"), "Users"),
  transactions: page("Transactions", () => $part("transactions.js", "$transactions"), "Transactions"),
  payments: page("Payments", () => $part("payments.js", "$payments"), "Payments"),
  requests: page("Requests", () => $part("requests.js", "$requests"), "Requests"),
  adjustments: page("Bulk adjustments", () => $part("bulk.js", "$bulk"), "Bulk"),
  products: page("Products", () => $part("products.js", "$products"), "Products"),
  policy: page("Policy for apps", () => $part("policy.js", "$policy"), "Policy"),
  subscriptions: page("Subscriptions", () => $part("subscriptions.js", "$subscriptions"), "Subscriptions"),
  notices: page("Notices", () => $part("notices.js", "$notices"), "Notices"),
  keys: page("API keys", () => $part("keys.js", "$keys"), "Keys"),
  operators: page("Operators", () => $part("operators.js", "$operators"), "Operators"),
  audit: page("Audit", () => $part("audit.js", "$audit"), "Audit"),
};
const UNLISTED = { search: page("Search", () => $part("find.js", "$find"), "Find") };
const SINGLE = {
  users: page("", () => $part("user.js", "$user"), "User"),
  payments: page("", () => $part("payments.js", "$payments"), "Payment"),
  products: page("", () => $part("products.js", "$products"), "Product"),
  keys: page("", () => $part("key.js", "$key"), "Key"),
  subscriptions: page("", () => $part("subscriptions.js", "$subscriptions"), "Subscription"),
};

const LINKS = Object.entries(LISTS).map(([name, { title }]) => [name, title]);

const known = ({ page: name, id }) => (id ? SINGLE : { ...LISTS, ...UNLISTED })[name];

function preload(place) {
  known(place)?.load().catch(() => {});
}

function preloadLinks() {
  const pointedAt = (event) => {
    const link = event.target.closest?.("a[href]");
    const found = link && placeOf(link);
    if (found) preload(found);
  };
  addEventListener("pointerover", pointedAt);
  addEventListener("focusin", pointedAt);
}

function Page({ place, ...given }) {
  const wanted = known(place);
  if (!wanted) return html`<${NotFound} />`;
  return html`<${Loaded} wanted=${wanted} title=${place.id || wanted.title} given=${{ id: place.id, query: place.query, ...given }} />`;
}

function Loaded({ wanted, title, given }) {
  const [found, setFound] = useState(wanted.found);
  const [failed, setFailed] = useState(false);
  const [turn, setTurn] = useState(0);
  const heading = useRef(false);
  useEffect(() => {
    if (found) return undefined;
    let isWanted = true;
    setFailed(false);
    wanted.load().then((Found) => {
      wanted.found = { Found };
      if (!isWanted) return;
      heading.current = document.activeElement?.matches("main h1");
      setFound(wanted.found);
    }, () => isWanted && setFailed(true));
    const again = () => setTurn((n) => n + 1);
    addEventListener("online", again);
    return () => {
      isWanted = false;
      removeEventListener("online", again);
    };
  }, [turn]);
  useLayoutEffect(() => {
    if (heading.current) document.querySelector("main h1")?.focus(); // It was in the heading that stood here meanwhile.
    heading.current = false;
  }, [found]);
  if (found) return html`<${found.Found} ...${given} />`;
  return html`<${Head} title=${title} />${failed ? html`<${Missing} retry=${() => setTurn(turn + 1)} />` : html`<${Skeleton} rows=${10} label="Loading the page" />`}`;
}

function Missing({ retry }) {
  return html`<div class="trouble" role="alert"><p class="title">This page could not be loaded.</p>
    <p>A file of the dashboard did not arrive: the device is offline, or a newer version of the dashboard was deployed. Nothing was changed.</p>
    <p class="buttons"><button onClick=${retry}>Try again</button><button onClick=${() => location.reload()}>Reload the dashboard</button></p></div>`;
}
return { LINKS: LINKS, preload: preload, preloadLinks: preloadLinks, Page: Page };
})();
const $outcomes = $all.$outcomes = (() => {
const { get } = $api;

const LOOKED_AT = 100;
const SKEW_MS = 5000; // How far this device's clock may be ahead.

const LOOKUPS = {
  entry: async ({ user, ...wanted }) => {
    const { transactions } = await get("/admin/transactions", { user, limit: LOOKED_AT });
    return transactions.some((entry) => isOf(entry, wanted));
  },
  subscriptionEntry: async ({ user, ...wanted }) => {
    const { transactions } = await get(`/admin/subscriptions/${encodeURIComponent(user)}`);
    return transactions.some((entry) => isOf(entry, wanted));
  },
  subscription: async ({ user, member, value, not }) => {
    const found = await get(`/admin/subscriptions/${encodeURIComponent(user)}`);
    return not === undefined ? found[member] === value : found[member] !== not;
  },
  key: async ({ description, known }) => {
    const { keys } = await get("/admin/keys");
    return keys.some((key) => key.description === description && !known.includes(key.id));
  },
  revoked: async ({ id }) => {
    const { keys } = await get("/admin/keys");
    return keys.some((key) => key.id === id && key.revokedAt);
  },
  product: async ({ code, version, members }) => {
    const { versions } = await get(`/admin/products/${encodeURIComponent(code)}`).catch(noVersions);
    const made = versions.find((one) => one.version === version);
    return Boolean(made) && Object.entries(members).every(([name, value]) => made[name] === value);
  },
  payment: async ({ path, members }) => {
    const { payment } = await get(path);
    return Object.entries(members).every(([name, value]) => payment[name] === value);
  },
  operator: async ({ name, members }) => {
    const { operators } = await get("/admin/operators");
    const found = operators.find((one) => one.name === name);
    return Boolean(found) && Object.entries(members).every(([member, value]) => found[member] === value);
  },
  audited: async ({ subject, action, reason, after }) => {
    const { records } = await get("/admin/audit", { user: subject, limit: LOOKED_AT });
    return records.some((record) => record.action === action && record.reason === reason && Date.parse(record.timestamp) >= Date.parse(after) - SKEW_MS);
  },
  policy: async ({ version, members }) => {
    const { history } = await get("/admin/app-policy");
    const made = history.find((one) => one.version === version);
    return Boolean(made) && Object.entries(members).every(([name, value]) => made.policy[name] === value);
  },
  round: async ({ before }) => {
    const { passes } = await get("/admin/payments/findings");
    return JSON.stringify(passes) !== before;
  },
  request: async ({ user, id, status }) => {
    const { requests } = await get("/admin/credit-requests", { user, limit: LOOKED_AT });
    return requests.some((one) => one.id === id && one.status === status);
  },
  hold: async ({ user, jti }) => {
    const { holds } = await get("/admin/holds", { user, state: "open" });
    return holds.every((hold) => hold.jti !== jti);
  },
  erased: async ({ user, before }) => {
    const { erasedAt } = await get(`/admin/users/${encodeURIComponent(user)}`);
    return Boolean(erasedAt) && erasedAt !== before;
  },
};

function noVersions(failure) {
  if (failure.status !== 404) throw failure;
  return { versions: [] };
}

function isOf(entry, { after, type, amount, reason, actor, reverses }) {
  if (reverses !== undefined) return entry.reverses === reverses;
  return entry.seq > after && entry.type === type && entry.reason === reason && entry.actor === actor
    && (amount === undefined || entry.amount - (entry.owedChange || 0) === amount);
}

const isDone = ({ about }) => LOOKUPS[about.kind](about);

const text = ({ about }) => about.text;
return { isDone: isDone, text: text };
})();
const $writes = $all.$writes = (() => {
const { html, useEffect, useState } = $html;
const { call, Failure, newKey } = $api;
const { clock } = $format;
const { isDone, text } = $outcomes;
const { say } = $ui;

const STORE = "pluct-writes";
const KEPT_MS = 24 * 3600 * 1000; // The gateway keeps a request's key for at least 24 hours.
const IN_FLIGHT_MS = 30000; // The gateway ends every call within 30 s.
const SETTLED_MS = 60000; // After this, a write that is not there was not carried out.
const LOOK_MS = 5000;

let inMemory = {};

function stored() {
  try {
    inMemory = JSON.parse(localStorage.getItem(STORE)) || {};
  } catch { /* A browser that stores nothing keeps the writes of this page. */ }
  const now = Date.now();
  return Object.fromEntries(Object.entries(inMemory).filter(([, write]) => now - write.sentAt < KEPT_MS));
}

function change(act, write) {
  const writes = { ...stored(), [act]: write };
  if (write === undefined) delete writes[act];
  inMemory = writes;
  try {
    localStorage.setItem(STORE, JSON.stringify(writes));
  } catch { /* As above. */ }
  dispatchEvent(new Event("writes"));
}

function unknown() {
  return Object.values(stored()).filter((write) => write.lost || Date.now() - write.sentAt > IN_FLIGHT_MS);
}

function useUnknown() {
  const [found, set] = useState(unknown);
  useEffect(() => {
    const look = () => set(unknown());
    const timer = setInterval(look, LOOK_MS);
    addEventListener("writes", look);
    addEventListener("storage", look);
    return () => {
      clearInterval(timer);
      removeEventListener("writes", look);
      removeEventListener("storage", look);
    };
  }, []);
  return found;
}

function useWrite(act) {
  const [busy, setBusy] = useState(false);
  const [failure, setFailure] = useState(null);
  const pending = useUnknown().find((write) => write.act === act);
  const send = async (path, body, about, method = "POST") => {
    setBusy(true);
    setFailure(null);
    try {
      return await carriedOut({ act, method, path, body, about });
    } catch (error) {
      if (!error.loggedOut && error.unchanged) setFailure(error);
      return null;
    } finally {
      setBusy(false);
    }
  };
  return { busy, failure, pending, send, forget: () => setFailure(null) };
}

async function carriedOut({ act, method, path, body, about }) {
  const earlier = stored()[act];
  const said = JSON.stringify([method, path, body]);
  if (earlier && earlier.said !== said) {
    throw new Failure(0, { message: "Another change of this kind is being sent. Wait until its outcome is known." }, true);
  }
  const write = { act, method, path, body, said, about, key: earlier?.key || newKey(), sentAt: Date.now() };
  change(act, write);
  try {
    const made = await call(method, path, { body, key: write.key });
    change(act);
    return made;
  } catch (error) {
    change(act, error.unchanged ? undefined : { ...write, lost: true });
    throw error;
  }
}

async function sendAgain(write) {
  change(write.act, { ...write, lost: true, sentAt: Date.now() });
  try {
    await call(write.method, write.path, { body: write.body, key: write.key });
    finished(write, true);
  } catch (error) {
    if (!error.loggedOut) say(error.message, { tone: "bad" });
  }
}

async function look(write) {
  const lookedAt = Date.now();
  try {
    if (await isDone(write)) finished(write, true);
    else if (lookedAt - write.sentAt > SETTLED_MS) finished(write, false);
    else seen(write, { lookedAt, unread: false });
  } catch {
    seen(write, { lookedAt, unread: true });
  }
}

function seen(write, members) {
  if (stored()[write.act]?.key === write.key) change(write.act, { ...stored()[write.act], ...members });
}

function finished(write, done) {
  if (stored()[write.act]?.key !== write.key) return;
  change(write.act);
  say(done ? `${text(write)}: this took effect, once.${write.about.then ? ` ${write.about.then}` : ""}`
    : `${text(write)}: this did not take effect. Nothing was changed.`, { tone: done ? "good" : "bad" });
  dispatchEvent(new CustomEvent("outcome", { detail: { act: write.act, done } }));
  dispatchEvent(new Event("written"));
}

function Unknown({ write }) {
  const [busy, setBusy] = useState(false);
  const doing = (what) => async () => {
    if (busy) return;
    setBusy(true);
    await what(write);
    setBusy(false);
  };
  const until = write.sentAt + SETTLED_MS;
  const looked = !write.lookedAt ? "It is being looked up."
    : write.unread ? `It could not be looked up at ${clock(write.lookedAt)}; it is tried again.`
      : `At ${clock(write.lookedAt)} it was not there. It can still arrive until ${clock(until)}.`;
  return html`<div class="trouble compact" role="alert">
    <p class="title">The outcome is not known yet: ${text(write)}</p>
    <p>Sent at ${clock(write.sentAt)}; the answer was lost. ${looked}${write.about.once ? " Sending it again uses the same idempotency key, so it is counted once." : ""}</p>
    <p class="buttons"><button type="button" aria-disabled=${busy ? "true" : undefined} onClick=${doing(look)}>Look it up</button>
      ${write.about.once && html`<button type="button" aria-disabled=${busy ? "true" : undefined} onClick=${doing(sendAgain)}>Send again</button>`}</p>
  </div>`;
}

function UnknownWrites() {
  const writes = useUnknown();
  const keys = writes.map((write) => write.key).join();
  useEffect(() => {
    if (!keys) return undefined;
    const all = () => unknown().forEach(look);
    all();
    const timer = setInterval(all, LOOK_MS);
    const events = ["online", "sessionback"];
    events.forEach((name) => addEventListener(name, all));
    return () => {
      clearInterval(timer);
      events.forEach((name) => removeEventListener(name, all));
    };
  }, [keys]);
  return writes.length ? html`<div class="unknown">${writes.map((write) => html`<${Unknown} key=${write.key} write=${write} />`)}</div>` : null;
}

function useOutcome(act, react) {
  useEffect(() => {
    const heard = (event) => { if (event.detail.act === act) react(event.detail.done); };
    addEventListener("outcome", heard);
    return () => removeEventListener("outcome", heard);
  });
}

function Refused({ failure }) {
  if (!failure) return null;
  const said = failure.code === "insufficient_credits" && failure.details.balance !== undefined
    ? `The balance is ${failure.details.balance} now, which is less than the amount to deduct.` : failure.message;
  return html`<div class="trouble compact" role="alert">
    <p class="title">${said}</p><p>Nothing was changed. No credit moved.${failure.definite && failure.guidance ? ` ${failure.guidance}` : ""}</p>
    ${failure.requestId && html`<p class="quiet small">Request <code>${failure.requestId}</code></p>`}
  </div>`;
}
return { useUnknown: useUnknown, useWrite: useWrite, Unknown: Unknown, UnknownWrites: UnknownWrites, useOutcome: useOutcome, Refused: Refused };
})();
const $shell = $all.$shell = (() => {
const { html, useEffect, useRef, useState } = $html;
const { call } = $api;
const { LINKS } = $pages;
const { Working } = $progress;
const { go, href, usePlace } = $router;
const { say } = $ui;
const { UnknownWrites } = $writes;

const THEMES = { auto: "System", light: "Light", dark: "Dark" };

function applyTheme(theme = stored()) {
  const root = document.documentElement;
  if (theme === "auto") delete root.dataset.theme;
  else root.dataset.theme = theme;
  dispatchEvent(new Event("themechange"));
}

function stored() {
  try {
    return localStorage.getItem("theme") || "auto";
  } catch {
    return "auto";
  }
}

function Theme() {
  const [theme, set] = useState(stored);
  const choose = (event) => {
    set(event.target.value);
    try {
      localStorage.setItem("theme", event.target.value);
    } catch { /* A browser that stores nothing forgets the choice. */ }
    applyTheme(event.target.value);
  };
  return html`<label class="theme"><span>Theme</span>
    <select value=${theme} onChange=${choose}>${Object.entries(THEMES).map(([value, label]) => html`<option value=${value}>${label}</option>`)}</select>
  </label>`;
}

function Find({ q = "" }) {
  const box = useRef();
  useEffect(() => { box.current.value = q; }, [q]);
  useEffect(() => {
    const key = (event) => {
      if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey) return;
      if (event.target.closest?.("input, select, textarea, dialog, [contenteditable]")) return;
      event.preventDefault();
      box.current.focus();
      box.current.select();
    };
    addEventListener("keydown", key);
    return () => removeEventListener("keydown", key);
  }, []);
  const submit = (event) => {
    event.preventDefault();
    const text = box.current.value.trim();
    if (text) go(href("search", "", { q: text }));
  };
  const arrow = (event) => {
    const first = event.key === "ArrowDown" && document.querySelector("a.result");
    if (event.key === "Escape") box.current.blur();
    if (!first) return;
    event.preventDefault();
    first.focus();
  };
  return html`<form class="find" role="search" onSubmit=${submit}><input id="find" ref=${box} type="search" aria-label="Search" aria-keyshortcuts="/" placeholder="Search  /" maxlength="512" autocomplete="off" spellcheck=${false} onKeyDown=${arrow} /></form>`;
}

function Shell({ session, onOut, children }) {
  const { page, id, query } = usePlace();
  const [open, setOpen] = useState(false);
  const main = useRef();
  const first = useRef(true);
  const menu = useRef();
  useEffect(() => {
    setOpen(false);
    if (first.current) first.current = false;
    else if (page !== "search") main.current.querySelector("h1")?.focus(); // A search leaves the box only by the arrow key.
  }, [page, id]);
  const leave = async (path) => {
    try {
      await call("DELETE", path);
      onOut();
    } catch (failure) {
      if (failure.status === 401) onOut();
      else say(failure.message, { tone: "bad" });
    }
  };
  const escape = (event) => {
    if (event.key !== "Escape" || !open) return;
    setOpen(false);
    menu.current.focus();
  };
  return html`<div class="shell">
    <a class="skip" href="#main">Skip to the page</a>
    <${Working} />
    <div class=${open ? "side open" : "side"} onKeyDown=${escape}>
      <div class="brand"><a href=${href()}><span class="mark" aria-hidden="true">P</span> Pluct</a>
        ${session.environment !== "prod" && html`<span class="badge env">${session.environment}</span>`}
        <button class="menu" ref=${menu} aria-expanded=${open ? "true" : "false"} aria-controls="nav" onClick=${() => setOpen(!open)}>Menu</button>
      </div>
      <${Find} q=${page === "search" ? query.q : ""} />
      <nav id="nav" aria-label="Pages of the dashboard">${LINKS.map(([name, label]) => html`
        <a href=${href(name)} aria-current=${name === page ? "page" : undefined} key=${name}>${label}</a>`)}</nav>
      <footer>
        <p class="me"><strong>${session.name}</strong><span class="quiet">${session.role}</span></p>
        <${Theme} />
        <button class="quiet-button" onClick=${() => leave("/dashboard/session")}>Log out</button>
        <button class="quiet-button" onClick=${() => leave("/dashboard/sessions")}>Log out everywhere</button>
      </footer>
    </div>
    <main id="main" ref=${main} tabindex="-1"><${UnknownWrites} />${children}</main>
  </div>`;
}
return { applyTheme: applyTheme, Shell: Shell };
})();
const $main = $all.$main = (() => {
const { html, render, useEffect, useRef, useState } = $html;
const { call, keepSession, onSession } = $api;
const { LoginAgain, LoginPage } = $login;
const { Page, preload, preloadLinks } = $pages;
const { place, takeClicks, usePlace } = $router;
const { applyTheme, Shell } = $shell;
const { say, Toasts, Trouble } = $ui;

const tabs = new BroadcastChannel("pluct-session");

function Opened({ session }) {
  const at = usePlace();
  return html`<${Page} place=${at} session=${session} key=${`${at.page}/${at.id}/${session.turn}`} />`;
}

function App() {
  const [session, setSession] = useState();
  const [lost, setLost] = useState(null);
  const [left, setLeft] = useState(false);
  const [failure, setFailure] = useState();
  const enter = (found) => {
    keepSession(found);
    setSession((old) => ({ ...found, turn: old && old.name === found.name ? old.turn : Date.now() }));
    setLost(null);
    setLeft(false);
    dispatchEvent(new Event("sessionback"));
  };
  const ask = () => {
    setFailure(undefined);
    return call("GET", "/dashboard/session").then(enter, (error) => (error.status === 401 ? setSession(null) : setFailure(error)));
  };
  const logIn = (found) => {
    enter(found);
    tabs.postMessage("in");
  };
  const leave = () => {
    setSession(null);
    setLost(null);
    setLeft(true);
    tabs.postMessage("out");
  };
  const current = useRef();
  current.current = session;
  useEffect(() => {
    onSession({
      lost: () => setLost((old) => old || "ended"),
      changed: (found) => {
        enter(found);
        say(`${found.name} logged in in another tab; this tab continues as ${found.name}. Nothing was changed.`, { tone: "bad" });
      },
    });
    tabs.onmessage = ({ data }) => {
      if (data === "out" && current.current) setLost("elsewhere");
      if (data === "in") call("GET", "/dashboard/session").then(enter, () => {});
    };
    ask();
  }, []);
  if (failure) return html`<main class="login"><${Trouble} failure=${failure} retry=${ask} /></main>`;
  if (session === undefined) return html`<main class="login" aria-busy="true"></main>`;
  if (session === null) return html`<${LoginPage} onIn=${logIn} left=${left} /><${Toasts} />`;
  return html`<${Shell} session=${session} onOut=${leave}><${Opened} session=${session} /><//>
    ${lost && html`<${LoginAgain} name=${session.name} elsewhere=${lost === "elsewhere"} onIn=${logIn} />`}
    <${Toasts} />`;
}

preload(place());
applyTheme();
takeClicks();
preloadLinks();
render(html`<${App} />`, document.getElementById("app"));
return {  };
})();
const $loading = $all.$loading = (() => {
const { useEffect, useRef, useState } = $html;

const RETRIES_S = [2, 5, 10, 20, 30];
const OLD_MS = 30000;

function useLoad(load, deps) {
  const [state, set] = useState({ loading: true });
  const [turn, again] = useState(0);
  const wanted = JSON.stringify(deps);
  const latest = useRef({ failures: 0 });
  latest.current.state = state;
  const reload = ({ gently = false } = {}) => {
    if (!gently || !latest.current.state.loading) again((n) => n + 1);
  };
  useEffect(() => {
    const control = new AbortController();
    let retry;
    set((old) => ({ ...old, loading: true }));
    load(control.signal).then(
      (found) => {
        if (control.signal.aborted) return;
        latest.current.failures = 0;
        set({ found, loading: false, at: Date.now(), wanted });
      },
      (failure) => {
        if (control.signal.aborted) return;
        set((old) => ({ ...(old.wanted === wanted && old), failure, loading: false }));
        if (failure.definite || failure.loggedOut) return;
        const wait = RETRIES_S[Math.min(latest.current.failures++, RETRIES_S.length - 1)];
        retry = setTimeout(reload, wait * 1000);
      },
    );
    return () => {
      clearTimeout(retry);
      control.abort();
    };
  }, [wanted, turn]);
  useEffect(() => {
    const renew = () => reload();
    const lookedAt = () => {
      const { at, failure } = latest.current.state;
      const isOld = failure ? !failure.definite : Date.now() - at > OLD_MS;
      if (document.visibilityState === "visible" && isOld) reload({ gently: true });
    };
    const events = [["sessionback", renew], ["written", renew], ["online", renew]];
    events.forEach(([name, react]) => addEventListener(name, react));
    document.addEventListener("visibilitychange", lookedAt);
    addEventListener("focus", lookedAt);
    return () => {
      events.forEach(([name, react]) => removeEventListener(name, react));
      document.removeEventListener("visibilitychange", lookedAt);
      removeEventListener("focus", lookedAt);
    };
  }, []);
  return { ...state, reload };
}
return { useLoad: useLoad };
})();
